/** The node's command `pvesm`, as root runs it: operations of the API with their arguments in order, and its tables. */

import type { NodeCommand } from '../../node-ssh/commands.mts'
import { ApiError, failure } from '../core/errors.mts'
import { type RawParameters, validate } from '../core/parameters.mts'
import type { Caller } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Route } from '../core/route.mts'
import { storageConfigRoutes } from './config-routes.mts'
import { storageContentRoutes } from './content-routes.mts'
import { shownPathOf } from './paths.mts'
import { storagePruneRoutes } from './prune-routes.mts'
import { storageRoutes } from './routes.mts'
import { parseVolumeId } from './storages.mts'

const ROUTES = [...storageConfigRoutes, ...storageContentRoutes, ...storageRoutes, ...storagePruneRoutes]

/** Version of the interface of storage plugins, and how many older ones still work. */
const API = { 8: { version: 11, age: 2 }, 9: { version: 15, age: 6 } } as const

type Row = Record<string, unknown>

interface Subcommand {
  operation: string
  /** Parameters that have no name on the command line. */
  ordered: readonly string[]
  print?(result: unknown): string
}

function table(lines: string[]): string {
  return lines.map(line => `${line}\n`).join('')
}

function statusLine(width: number, { storage, type, active, enabled, total, used, avail }: Row): string {
  const state = enabled ? (active ? 'active' : 'inactive') : 'disabled'
  const kib = [total, used, avail].map(bytes => String(Math.floor(Number(bytes) / 1024)).padStart(15))
  const share = Number(total) > 0 ? (Number(used) * 100) / Number(total) : 0
  const part = enabled ? `${share.toFixed(2).padStart(7)}%` : 'N/A'.padStart(8)
  return `${String(storage).padEnd(width)} ${String(type).padStart(10)} ${state.padStart(10)} ${kib.join(' ')} ${part}`
}

function printStatus(result: unknown): string {
  const rows = (result as Row[]).toSorted((a, b) => (String(a['storage']) < String(b['storage']) ? -1 : 1))
  const width = Math.max(0, ...rows.map(({ storage }) => String(storage).length)) + 1
  const titles = ['Total (KiB)', 'Used (KiB)', 'Available (KiB)'].map(title => title.padStart(15))
  const head = `${'Name'.padEnd(width)} ${'Type'.padStart(10)} ${'Status'.padStart(10)} ${titles.join(' ')} ${'%'.padStart(8)}`
  return table([head, ...rows.map(row => statusLine(width, row))])
}

/** Prints disks and backups first, then files by their format. */
function printContent(result: unknown): string {
  const rows = result as Row[]
  const width = Math.max(0, ...rows.map(({ volid }) => String(volid).length))
  const digits = String(Math.max(0, ...rows.map(({ size }) => Number(size)))).length
  const line = ({ volid, format, content, size }: Row): string =>
    `${String(volid).padEnd(width)} ${String(format).padEnd(7)} ${String(content).padEnd(9)} ${String(size).padStart(digits)}`
  const head = line({ volid: 'Volid', format: 'Format', content: 'Type', size: 'Size' })
  const files = rows
    .filter(({ vmid }) => !vmid)
    .toSorted((a, b) => (`${a['format']}` < `${b['format']}` ? -1 : 1))
  const disks = rows.filter(({ vmid }) => vmid).map(row => `${line(row)} ${row['vmid']}`)
  return table([`${head} VMID`, ...disks, ...files.map(line)])
}

const BELOW = '/nodes/{node}/storage/{storage}'

const COMMANDS: Record<string, Subcommand> = {
  status: { operation: 'GET /nodes/{node}/storage', ordered: [], print: printStatus },
  list: { operation: `GET ${BELOW}/content`, ordered: ['storage'], print: printContent },
  alloc: {
    operation: `POST ${BELOW}/content`,
    ordered: ['storage', 'vmid', 'filename', 'size'],
    print: volid => `successfully created '${volid}'\n`,
  },
  free: { operation: `DELETE ${BELOW}/content/{volume*}`, ordered: ['volume'] },
  'prune-backups': { operation: `DELETE ${BELOW}/prunebackups`, ordered: ['storage'] },
  add: { operation: 'POST /storage', ordered: ['type', 'storage'] },
  set: { operation: 'PUT /storage/{storage}', ordered: ['storage'] },
  remove: { operation: 'DELETE /storage/{storage}', ordered: ['storage'] },
}

function routeOf(operation: string): Route {
  return ROUTES.find(({ method, path }) => `${method} ${path}` === operation)!
}

/** Reads `--key value`, `--key=value` and the arguments in order. @throws {ApiError} for too few or too many. */
function readArguments(args: string[], ordered: readonly string[]): RawParameters {
  const raw: RawParameters = {}
  const rest: string[] = []
  const left = [...args]
  while (left.length > 0) {
    const argument = left.shift()!
    const [, key, value] = /^--?([a-z][\w-]*)(?:=(.*))?$/s.exec(argument) ?? []
    // A flag may stand at the end alone: that is 1.
    if (key !== undefined) raw[key] = value ?? left.shift() ?? '1'
    else rest.push(argument)
  }
  if (rest.length > ordered.length) throw failure('too many arguments')
  if (rest.length < ordered.length) throw failure('not enough arguments')
  return { ...raw, ...Object.fromEntries(rest.map((value, index) => [ordered[index], value])) }
}

function rootOf(pve: Pve): Caller {
  return { authid: 'root@pam', access: pve.store.state.access, version: pve.version }
}

/** Runs an operation of the API. A volume of another storage than the path's names its own. */
async function runOperation(
  pve: Pve,
  { operation, ordered, print }: Subcommand,
  args: string[],
): Promise<string> {
  const { path, parameters, handle } = routeOf(operation)
  const sent = readArguments(args, ordered)
  const volume = parseVolumeId(String(sent['volume'] ?? ''))
  const place = {
    ...(path.includes('{node}') && { node: pve.node }),
    ...(volume && { storage: volume.storage }),
  }
  const raw = { ...place, ...sent }
  const params = validate(parameters, raw) as never
  const result = await handle({ pve, caller: rootOf(pve), params, raw, upload: undefined })
  await settled(pve, result)
  await pve.store.save()
  return print?.(result) ?? ''
}

const POLL_MS = 50

/** Waits for the worker that an operation started: the command line shows its end. @throws {ApiError} of the worker */
async function settled(pve: Pve, result: unknown): Promise<void> {
  if (typeof result !== 'string' || !result.startsWith('UPID:')) return
  const statusOf = (): string | undefined => pve.tasks.find(result)?.exitstatus
  while (statusOf() === undefined) await new Promise(resolve => setTimeout(resolve, POLL_MS))
  const status = statusOf()!
  if (status !== 'OK' && !status.startsWith('WARNINGS')) throw failure(status)
}

function pathOf(pve: Pve, volid: string | undefined): string {
  if (volid === undefined) throw failure('not enough arguments')
  const id = parseVolumeId(volid)
  if (!id)
    throw failure(
      `400 Parameter verification failed.\nvolume: invalid format - unable to parse volume ID '${volid}'`,
    )
  return `${shownPathOf(pve, id)}\n`
}

function textOf(error: unknown): string {
  if (!(error instanceof ApiError) || error.errors === undefined) return (error as Error).message
  const lines = Object.entries(error.errors).map(([key, fault]) => `${key}: ${fault.trimEnd()}`)
  return ['400 Parameter verification failed.', ...lines].join('\n')
}

async function outputOf(pve: Pve, [name = '', ...args]: string[]): Promise<string> {
  const { version, age } = API[pve.version]
  if (name === 'apiinfo') return `APIVER ${version}\nAPIAGE ${age}\n`
  if (name === 'path') return pathOf(pve, args[0])
  const command = COMMANDS[name]
  if (!command) throw failure(`ERROR: unknown command 'pvesm ${name}'`)
  return runOperation(pve, command, args)
}

/** Returns the command for a node. Its errors go to the second output with exit code 255. */
export function pvesm(pve: Pve): NodeCommand {
  return async args => {
    try {
      return { code: 0, stdout: await outputOf(pve, args), stderr: '' }
    } catch (error) {
      return { code: 255, stdout: '', stderr: `${textOf(error).trimEnd()}\n` }
    }
  }
}
