import { dirname, join, resolve } from 'node:path'
import type { SchemaFault } from './schema-faults.mts'
import { readYamlFile } from './yaml-file.mts'

export interface ImageConfig {
  url: string
  /** The publisher's list of checksums (SHA512SUMS or SHA256SUMS), which names the image's file. */
  checksumsUrl: string
}

/** `config/proxmint.yaml` with defaults filled in and paths made absolute. */
export interface Config {
  site: string
  bridge: string
  /** The storage that takes downloaded images (`import`) and ISO files. */
  imageStorage: string
  /** First and last VMID of VM templates. */
  templateVmidRange: [number, number]
  /** First and last VMID of imported base VMs. */
  baseVmidRange: [number, number]
  taskTimeoutSeconds: number
  /** Holds what a run writes down for the next: reservations, manifests, logs. */
  stateDir: string
  /** By name: `debian-12`. */
  images: Record<string, ImageConfig>
}

interface ConfigFile {
  site?: string
  bridge?: string
  image_storage?: string
  template_vmid_range?: [number, number]
  base_vmid_range?: [number, number]
  task_timeout_seconds?: number
  state_dir?: string
  images?: Record<string, { url: string; checksums_url: string }>
}

/** Where the config stands, from the project's root; PROXMINT_CONFIG names another. */
export const configFile = 'config/proxmint.yaml'

const schema = new URL('../../../config/proxmint.schema.json', import.meta.url)

/** @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key. */
export async function loadConfig(env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const path = env['PROXMINT_CONFIG'] ?? configFile
  const file = await readYamlFile<ConfigFile>({
    path,
    sample: configFile,
    schema,
    moreFaults: reversedRanges,
  })
  return {
    site: file.site ?? 'home',
    bridge: file.bridge ?? 'vmbr0',
    imageStorage: file.image_storage ?? 'local',
    templateVmidRange: file.template_vmid_range ?? [9000, 9899],
    baseVmidRange: file.base_vmid_range ?? [9900, 9999],
    taskTimeoutSeconds: file.task_timeout_seconds ?? 600,
    stateDir: resolve(env['PROXMINT_STATE_DIR'] ?? join(dirname(path), '..', file.state_dir ?? '.proxmint')),
    images: Object.fromEntries(
      Object.entries(file.images ?? {}).map(([name, image]) => [
        name,
        { url: image.url, checksumsUrl: image.checksums_url },
      ]),
    ),
  }
}

/** What a JSON schema cannot say. */
function reversedRanges(file: ConfigFile): SchemaFault[] {
  return (['template_vmid_range', 'base_vmid_range'] as const).flatMap(key => {
    const [first, last] = file[key] ?? []
    if (first === undefined || last === undefined || first <= last) return []
    return [{ path: [key], sentence: `${key} must begin with the smaller VMID: [${last}, ${first}]` }]
  })
}
