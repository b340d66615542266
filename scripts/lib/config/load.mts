import { dirname, join, resolve } from 'node:path'
import type { SchemaFault } from './schema-faults.mts'
import { readYamlFile } from './yaml-file.mts'

export interface ImageConfig {
  /** What the node downloads. Either this or `file`. */
  url: string | undefined
  /** A file of this machine, absolute, that is uploaded to the node. */
  file: string | undefined
  /** The publisher's list of checksums, which names the image's file: SHA512SUMS, SHA256SUMS, FILE.SHA256. */
  checksumsUrl: string | undefined
  /** `sha256:HEX` or `sha512:HEX`, where there is no such list. */
  checksum: string | undefined
  /**
   * What the base VM does at its one boot: install the guest agent; bring every package up to date and install
   * it, as a rolling release wants; or never boot, where the image has it.
   */
  firstBoot: FirstBoot
}

export type FirstBoot = 'agent' | 'upgrade' | 'none'

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
  /** How many VM templates are built at the same time on one node, and with disks on one storage. */
  buildsPerNode: number
  buildsPerStorage: number
  /** Of the acceptance test: from the start of a clone until it can be looked at. */
  testBootTimeoutSeconds: number
  /** `192.168.1.250/24,gw=192.168.1.1`: of one clone in the acceptance test. */
  testAddress: string | undefined
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
  builds_per_node?: number
  builds_per_storage?: number
  test_boot_timeout_seconds?: number
  test_address?: string
  state_dir?: string
  images?: Record<string, ImageEntry>
}

interface ImageEntry {
  url?: string
  file?: string
  checksums_url?: string
  checksum?: string
  first_boot?: FirstBoot
}

/** Where the config stands, from the project's root; PROXMINT_CONFIG names another. */
export const configFile = 'config/proxmint.yaml'

const schema = new URL('../../../config/proxmint.schema.json', import.meta.url)

/** The project's root, absolute: the folder above that of the config. */
export function projectRoot(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(dirname(env['PROXMINT_CONFIG'] ?? configFile), '..')
}

/** @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key. */
export async function loadConfig(env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const path = env['PROXMINT_CONFIG'] ?? configFile
  const file = await readYamlFile<ConfigFile>({
    path,
    sample: configFile,
    schema,
    moreFaults: file => [...reversedRanges(file), ...imageFaults(file)],
  })
  return {
    site: file.site ?? 'home',
    bridge: file.bridge ?? 'vmbr0',
    imageStorage: file.image_storage ?? 'local',
    templateVmidRange: file.template_vmid_range ?? [9000, 9899],
    baseVmidRange: file.base_vmid_range ?? [9900, 9999],
    taskTimeoutSeconds: file.task_timeout_seconds ?? 600,
    buildsPerNode: file.builds_per_node ?? 4,
    buildsPerStorage: file.builds_per_storage ?? 4,
    testBootTimeoutSeconds: file.test_boot_timeout_seconds ?? 300,
    testAddress: file.test_address,
    stateDir: resolve(env['PROXMINT_STATE_DIR'] ?? join(dirname(path), '..', file.state_dir ?? '.proxmint')),
    images: Object.fromEntries(
      Object.entries(file.images ?? {}).map(([name, image]) => [name, imageConfig(image, dirname(path))]),
    ),
  }
}

function imageConfig(image: ImageEntry, folder: string): ImageConfig {
  return {
    url: image.url,
    file: image.file === undefined ? undefined : resolve(folder, '..', image.file),
    checksumsUrl: image.checksums_url,
    checksum: image.checksum?.toLowerCase(),
    firstBoot: image.first_boot ?? 'agent',
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

/** An image comes from one place and has at most one checksum. */
function imageFaults({ images = {} }: ConfigFile): SchemaFault[] {
  return Object.entries(images).flatMap(([name, { url, file, checksum, checksums_url: list }]) => {
    const path = ['images', name]
    const faults: string[] = []
    if ((url === undefined) === (file === undefined)) faults.push('must have either a url or a file')
    if (checksum !== undefined && list !== undefined) {
      faults.push('must have either a checksum or a checksums_url')
    }
    return faults.map(fault => ({ path, sentence: `${path.join('.')} ${fault}` }))
  })
}
