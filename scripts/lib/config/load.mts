import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { type SchemaFault, schemaFaults } from './schema-faults.mts'
import { lineFinder } from './yaml-lines.mts'

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

/** @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key. */
export async function loadConfig(env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const path = env['PROXMINT_CONFIG'] ?? configFile
  const file = await readConfigFile(path)
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

async function readConfigFile(path: string): Promise<ConfigFile> {
  const [{ LineCounter, parseDocument }, text] = await Promise.all([import('yaml'), readText(path)])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [syntaxError] = document.errors
  if (syntaxError !== undefined) {
    throw invalidConfig(path, [`line ${lines.linePos(syntaxError.pos[0]).line}: ${syntaxError.message}`])
  }
  const value: unknown = document.toJS() ?? {}
  const schema = new URL('../../../config/proxmint.schema.json', import.meta.url)
  const broken = await schemaFaults(schema, value)
  const faults = broken.length > 0 ? broken : reversedRanges(value as ConfigFile)
  if (faults.length === 0) return value as ConfigFile
  const lineOf = await lineFinder(document, lines)
  throw invalidConfig(
    path,
    faults.map(fault => `line ${lineOf(fault.path)}: ${fault.sentence}`),
  )
}

/** What a JSON schema cannot say. */
function reversedRanges(file: ConfigFile): SchemaFault[] {
  return (['template_vmid_range', 'base_vmid_range'] as const).flatMap(key => {
    const [first, last] = file[key] ?? []
    if (first === undefined || last === undefined || first <= last) return []
    return [{ path: [key], sentence: `${key} must begin with the smaller VMID: [${last}, ${first}]` }]
  })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new ProxmintError(`cannot read the config ${path}: ${codeOf(cause) ?? String(cause)}`, {
      hint: "run from the project's root, or name the file in PROXMINT_CONFIG",
      cause,
      exitCode: exitCodes.invalid,
    })
  }
}

function invalidConfig(path: string, faults: string[]): ProxmintError {
  return new ProxmintError(`${path} is invalid:\n${faults.map(fault => `  - ${fault}`).join('\n')}`, {
    hint: 'config/proxmint.yaml in the repository is commented: every key, its meaning and default',
    exitCode: exitCodes.invalid,
  })
}
