/** The node's command `qm`, as root runs it: operations on VMs with their arguments in order, and the import of disks. */

import type { NodeCommand } from '../../node-ssh/commands.mts'
import { nodeCommand, readArguments, runOperation, type Subcommand } from '../core/command-line.mts'
import { failure, messageOf } from '../core/errors.mts'
import { optional, storageId, text, validate, vmid } from '../core/parameters.mts'
import type { Pve } from '../core/pve.mts'
import { encodeText } from '../core/user-cfg.mts'
import { importVolume } from '../storage/new-volumes.mts'
import { storageOf } from '../storage/storages.mts'
import { dropVolumes } from '../storage/volumes.mts'
import { qemuConfigRoutes } from './config-routes.mts'
import { qemuCreateRoutes } from './create-routes.mts'
import { qemuDiskRoutes } from './disk-routes.mts'
import { convertToTemplate } from './disks.mts'
import { DRIVE_SLOTS, isDriveSlot } from './drive-formats.mts'
import { settlePending } from './pending.mts'
import { qemuRoutes } from './routes.mts'
import { qemuSnapshotRoutes } from './snapshot-routes.mts'
import { qemuStatusRoutes } from './status-routes.mts'
import { findVm, isTemplate, keepUnused, requireUnlocked } from './vm.mts'

const ROUTES = [
  ...[qemuRoutes, qemuConfigRoutes, qemuCreateRoutes, qemuDiskRoutes],
  ...[qemuSnapshotRoutes, qemuStatusRoutes],
].flat()

type Row = Record<string, unknown>

const LIST = [10, -20, -10, -10, 12, -10]

function listLine(cells: unknown[]): string {
  const padded = cells.map((cell, index) => {
    const width = LIST[index]!
    return width > 0 ? String(cell).padStart(width) : String(cell).padEnd(-width)
  })
  return `${padded.join(' ')}\n`
}

function printList(result: unknown): string {
  const rows = (result as Row[]).toSorted((a, b) => Number(a['vmid']) - Number(b['vmid']))
  if (rows.length === 0) return ''
  const lines = rows.map(row => {
    const [memory, disk] = [Number(row['maxmem'] ?? 0) / 1024 ** 2, Number(row['maxdisk'] ?? 0) / 1024 ** 3]
    return [row['vmid'], row['name'], row['status'], memory, disk.toFixed(2), row['pid'] ?? 0]
  })
  return [['VMID', 'NAME', 'STATUS', 'MEM(MB)', 'BOOTDISK(GB)', 'PID'], ...lines].map(listLine).join('')
}

function printConfig(result: unknown): string {
  const { digest: _, ...config } = result as Row
  const shown = (key: string): string => {
    const value = String(config[key])
    return key === 'description' ? encodeText(value) : value
  }
  return Object.keys(config)
    .sort()
    .map(key => `${key}: ${shown(key)}\n`)
    .join('')
}

const BELOW = '/nodes/{node}/qemu/{vmid}'
const onVm = (operation: string, ...more: string[]): Subcommand => ({
  operation: operation.replace('.', BELOW),
  ordered: ['vmid', ...more],
})

const DISK: Record<string, Subcommand> = {
  move: onVm('POST ./move_disk', 'disk', 'storage'),
  resize: onVm('PUT ./resize', 'disk', 'size'),
  unlink: onVm('PUT ./unlink'),
}

const COMMANDS: Record<string, Subcommand> = {
  list: { operation: 'GET /nodes/{node}/qemu', ordered: [], print: printList },
  create: { operation: 'POST /nodes/{node}/qemu', ordered: ['vmid'] },
  destroy: onVm('DELETE .'),
  clone: onVm('POST ./clone', 'newid'),
  migrate: onVm('POST ./migrate', 'target'),
  set: onVm('PUT ./config'),
  config: { ...onVm('GET ./config'), print: printConfig },
  status: { ...onVm('GET ./status/current'), print: result => `status: ${(result as Row)['status']}\n` },
  snapshot: onVm('POST ./snapshot', 'snapname'),
  delsnapshot: onVm('DELETE ./snapshot/{snapname}', 'snapname'),
  rollback: onVm('POST ./snapshot/{snapname}/rollback', 'snapname'),
  template: onVm('POST ./template'),
  ...Object.fromEntries(
    ['start', 'stop', 'reset', 'shutdown', 'reboot', 'suspend', 'resume'].map(name => [
      name,
      onVm(`POST ./status/${name}`),
    ]),
  ),
  'move-disk': DISK['move']!,
  move_disk: DISK['move']!,
  resize: DISK['resize']!,
  unlink: DISK['unlink']!,
}

async function run(pve: Pve, { operation, ordered, print }: Subcommand, args: string[]): Promise<string> {
  const route = ROUTES.find(({ method, path }) => `${method} ${path}` === operation)!
  const result = await runOperation(pve, route, { node: pve.node, ...readArguments(args, ordered) })
  return print?.(result) ?? ''
}

const UNUSED = Array.from({ length: 256 }, (_, index) => `unused${index}`)

const importParameters = {
  vmid,
  source: text,
  storage: storageId,
  format: optional({ type: 'string', enum: ['raw', 'qcow2', 'vmdk'] }),
  'target-disk': optional({ type: 'string', enum: [...DRIVE_SLOTS, ...UNUSED] }),
} as const

/** Enters an imported volume into the config, as `target` or as `unusedN`. @returns its key */
async function register(pve: Pve, id: number, volid: string, target: string | undefined): Promise<string> {
  const vm = findVm(pve, id)
  requireUnlocked(vm)
  if (target === undefined) return keepUnused(vm.config, volid)
  if (vm.config[target] !== undefined)
    throw failure(`cowardly refusing to overwrite existing entry: ${target}`)
  vm.pending[target] = volid
  await settlePending(pve, vm, new Set([target]))
  return target
}

const LOCK_SECONDS = 10

/** Imports an image file as a disk of a VM (PVE/QemuServer/ImportDisk.pm). @throws {ApiError} */
async function importDisk(pve: Pve, args: string[]): Promise<string> {
  const params = validate(importParameters, readArguments(args, ['vmid', 'source', 'storage']))
  const { vmid: id, source, storage, format, 'target-disk': named } = params
  const target = named !== undefined && isDriveSlot(named) ? named : undefined
  requireUnlocked(findVm(pve, id))
  if (!storageOf(pve, storage).content.includes('images'))
    throw failure(`storage ${storage} does not support vm images`)
  const made = await importVolume(pve, { storage, vmid: id, format }, source).catch(error => {
    const isMissing = /^(can't find file|failed to stat) /.test(messageOf(error))
    throw isMissing ? failure(`${source}: non-existent or non-regular file`) : error
  })
  try {
    const key = await pve.locks.exclusive(id, LOCK_SECONDS, () => register(pve, id, made.volid, target))
    if (target !== undefined && isTemplate(findVm(pve, id).config)) await convertToTemplate(pve, id, target)
    await pve.store.save()
    const shown = findVm(pve, id).config[key] ?? made.volid
    return `importing disk '${source}' to VM ${id} ...\n${key}: successfully imported disk '${shown}'\n`
  } catch (error) {
    await dropVolumes(pve, [made])
    throw error
  }
}

/** Removes the lock that a task left. @returns nothing to print */
async function unlock(pve: Pve, args: string[]): Promise<string> {
  const { vmid: id } = validate({ vmid }, readArguments(args, ['vmid']))
  delete findVm(pve, id).config['lock']
  await pve.store.save()
  return ''
}

async function outputOf(pve: Pve, [name = '', ...args]: string[]): Promise<string> {
  if (name === 'importdisk') return importDisk(pve, args)
  if (name === 'unlock') return unlock(pve, args)
  if (name === 'disk' && args[0] === 'import') return importDisk(pve, args.slice(1))
  const command = name === 'disk' ? DISK[args.shift() ?? ''] : COMMANDS[name]
  if (!command) throw failure(`ERROR: unknown command 'qm ${name}'`)
  return run(pve, command, args)
}

/** Returns the command for a node. */
export function qm(pve: Pve): NodeCommand {
  return nodeCommand(args => outputOf(pve, args))
}
