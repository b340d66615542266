/** The node's command `pvesm`, as root runs it: operations of the API with their arguments in order, and its tables. */

import type { NodeCommand } from '../../node-ssh/commands.mts'
import { nodeCommand, readArguments, runOperation, type Subcommand } from '../core/command-line.mts'
import { failure } from '../core/errors.mts'
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

/** Runs a subcommand. A volume names its own storage. */
async function run(pve: Pve, { operation, ordered, print }: Subcommand, args: string[]): Promise<string> {
  const operationRoute = routeOf(operation)
  const sent = readArguments(args, ordered)
  const volume = parseVolumeId(String(sent['volume'] ?? ''))
  const place = {
    ...(operationRoute.path.includes('{node}') && { node: pve.node }),
    ...(volume && { storage: volume.storage }),
  }
  const result = await runOperation(pve, operationRoute, { ...place, ...sent })
  return print?.(result) ?? ''
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

async function outputOf(pve: Pve, [name = '', ...args]: string[]): Promise<string> {
  const { version, age } = API[pve.version]
  if (name === 'apiinfo') return `APIVER ${version}\nAPIAGE ${age}\n`
  if (name === 'path') return pathOf(pve, args[0])
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) throw failure(`ERROR: unknown command 'pvesm ${name}'`)
  return run(pve, command, args)
}

/** Returns the command for a node. */
export function pvesm(pve: Pve): NodeCommand {
  return nodeCommand(args => outputOf(pve, args))
}
