/** /nodes/{node}/vzdump: backs up VMs, and reads the options that a backup holds. */

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { failure, parameterError } from '../core/errors.mts'
import { vmidFormat } from '../core/formats.mts'
import { flag, integer, listOf, nodeName, optional, splitList, storageId, text } from '../core/parameters.mts'
import { anyone, type Caller, hasAll, requireAll, requireAny } from '../core/permission.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { requireVolumeAccess } from '../storage/access.mts'
import { PRUNE_FORMAT } from '../storage/config-schema.mts'
import { requireFile } from '../storage/files.mts'
import { parsedVolume, parseVolumeId, storageOf } from '../storage/storages.mts'
import { type Backup, backUpVms } from './backup.mts'
import { unpack } from './backup-archive.mts'

const path = '/nodes/{node}/vzdump'
const vmidList = { type: 'string', format: listOf(vmidFormat) } as const
const amount = optional({ ...integer, minimum: 0 })

/** Parameters of Proxmox's backup jobs. Those that only tune its programs are checked and have no effect. */
const backupParameters = {
  node: optional(nodeName),
  vmid: optional(vmidList),
  all: optional(flag),
  exclude: optional(vmidList),
  pool: optional(text),
  mode: optional({ type: 'string', enum: ['snapshot', 'suspend', 'stop'] }),
  compress: optional({ type: 'string', enum: ['0', '1', 'gzip', 'lzo', 'zstd'] }),
  storage: optional(storageId),
  'notes-template': { ...optional({ type: 'string', maxLength: 1024 }), requires: 'storage' },
  protected: { ...optional(flag), requires: 'storage' },
  remove: optional(flag),
  'prune-backups': optional({ type: 'string', format: PRUNE_FORMAT }),
  stop: optional(flag),
  stdout: optional(flag),
  quiet: optional(flag),
  stopwait: amount,
  lockwait: amount,
  bwlimit: amount,
  ionice: optional({ ...integer, minimum: 0, maximum: 8 }),
  pigz: optional(integer),
  zstd: optional(integer),
  performance: optional(text),
  mailto: optional(text),
  mailnotification: optional({ type: 'string', enum: ['always', 'failure'] }),
  'notification-mode': optional({ type: 'string', enum: ['auto', 'legacy-sendmail', 'notification-system'] }),
  tmpdir: optional(text),
  dumpdir: optional(text),
  script: optional(text),
  'job-id': optional({ type: 'string', pattern: /^\S+$/, maxLength: 50 }),
} as const

type Given = Partial<Record<keyof typeof backupParameters, string | number | boolean>>

const OF_ROOT = ['tmpdir', 'dumpdir', 'script', 'job-id'] as const

function requireParameters(caller: Caller, given: Given): void {
  if (given.stdout) throw parameterError({ stdout: 'option is only allowed on the command line interface.' })
  if (caller.authid !== 'root@pam') {
    const rooted = OF_ROOT.find(key => given[key] !== undefined)
    if (rooted !== undefined) throw parameterError({ [rooted]: 'Only root may set this option.' })
    if (['bwlimit', 'ionice', 'performance'].some(key => given[key as keyof Given] !== undefined))
      requireAll(caller, '/', 'Sys.Modify')
    if (given['prune-backups'] !== undefined)
      requireAll(caller, `/storage/${given.storage ?? 'local'}`, 'Datastore.Allocate')
  }
  const conflict = (['all', 'exclude', 'pool'] as const).find(key => given[key] && given.vmid)
  if (conflict !== undefined) throw parameterError({ [conflict]: "option conflicts with option 'vmid'" })
  const template = String(given['notes-template'] ?? '')
  if (template.includes('\n')) throw parameterError({ 'notes-template': 'contains a line feed\n' })
  if (![given.all, given.exclude, given.stop, given.pool, given.vmid].some(Boolean))
    throw parameterError({ vmid: 'property is missing' })
}

/** Lists the VMs that are meant and are not on another node. A VM that is missing fails later, visibly. */
function includedVmids(pve: Pve, { vmid, pool, all, exclude }: Given): number[] {
  const { vms, access } = pve.store.state
  const left = splitList(exclude === undefined ? undefined : String(exclude)).map(Number)
  const everything = Object.keys(vms).map(Number)
  const meant =
    pool !== undefined
      ? (access.pools[String(pool)]?.vms ?? [])
      : vmid !== undefined
        ? splitList(String(vmid)).map(Number)
        : all || exclude !== undefined
          ? everything.filter(id => !left.includes(id))
          : []
  return meant.filter(id => (vms[id]?.node ?? pve.node) === pve.node)
}

/** Ends the running backups of the node. */
function stopBackups(pve: Pve): void {
  for (const { upid, type, exitstatus } of pve.store.state.tasks)
    if (type === 'vzdump' && exitstatus === undefined) pve.tasks.abort(upid)
}

/** What Proxmox does without /etc/vzdump.conf, which the lab's node does not have. */
const DEFAULTS = {
  all: 0,
  bwlimit: 0,
  compress: '0',
  fleecing: { enabled: 0 },
  ionice: 7,
  lockwait: 180,
  mailnotification: 'always',
  mode: 'snapshot',
  'notification-mode': 'auto',
  performance: { 'max-workers': 16, 'pbs-entries-max': 1_048_576 },
  pigz: 0,
  'prune-backups': 'keep-all=1',
  quiet: 0,
  remove: 1,
  stdexcludes: 1,
  stop: 0,
  stopwait: 10,
  zstd: 1,
}

async function readBackup(pve: Pve, caller: Caller, volid: string): Promise<string> {
  const id = parseVolumeId(volid)
  if (!id) throw failure(`unable to parse volume ID '${volid}'`)
  const { type, vmid } = parsedVolume(pve, id)
  if (type !== 'backup') throw failure(`unable to use volume ${volid} - content type needs to be 'backup'`)
  requireVolumeAccess(pve, caller, volid, undefined)
  if (vmid !== undefined) requireAll(caller, `/vms/${vmid}`, 'VM.Backup')
  const file = await requireFile(pve, volid)
  const folder = join(pve.dataDir, 'uploads', `vzdumptmp_${process.hrtime.bigint()}`)
  try {
    return await unpack(file.path, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export const backupRoutes: Route[] = [
  route({
    method: 'POST',
    path,
    permission: anyone,
    parameters: backupParameters,
    handle({ pve, caller, params }) {
      requireParameters(caller, params)
      const { storage = 'local', mode = 'snapshot', compress = '0', 'prune-backups': rules } = params
      const vmids = includedVmids(pve, params)
      if (params.stop) {
        requireAll(caller, `/nodes/${pve.node}`, 'Sys.Modify')
        stopBackups(pve)
      }
      if (vmids.length === 0 && !params.all) return 'OK'
      requireAll(caller, `/storage/${storage}`, 'Datastore.AllocateSpace')
      const backup: Backup = {
        vmids: vmids.filter(id => !params.all || hasAll(caller, `/vms/${id}`, 'VM.Backup')),
        storage,
        mode: mode as Backup['mode'],
        compress,
        notesTemplate: params['notes-template'],
        protected: params.protected ?? false,
        stopMinutes: params.stopwait ?? DEFAULTS.stopwait,
        keep: rules === undefined ? undefined : parsePropertyString(PRUNE_FORMAT, rules),
        remove: params.remove ?? true,
        mayProtectMany: hasAll(caller, `/storage/${storage}`, 'Datastore.Allocate'),
      }
      return pve.tasks.start({
        type: 'vzdump',
        id: vmids.length === 1 ? String(vmids[0]) : '',
        authid: caller.authid,
        work: task => backUpVms(pve, caller, backup, task),
      })
    },
  }),
  route({
    method: 'GET',
    path: `${path}/defaults`,
    permission: anyone,
    parameters: { node: nodeName, storage: optional(storageId) },
    handle({ pve, caller, params }): ApiObject {
      const { storage = 'local' } = params
      requireAny(caller, `/storage/${storage}`, 'Datastore.Audit', 'Datastore.AllocateSpace')
      const { content, path: place } = storageOf(pve, storage)
      if (!content.includes('backup'))
        throw failure(`can't use storage '${storage}' for backups - wrong content type`)
      const { ionice, ...rest } = DEFAULTS
      const audit = hasAll(caller, `/nodes/${pve.node}`, 'Sys.Audit')
      return { ...rest, storage, ...(audit && { ionice, dumpdir: join(place, 'dump') }) }
    },
  }),
  route({
    method: 'GET',
    path: `${path}/extractconfig`,
    permission: anyone,
    parameters: { node: nodeName, volume: text },
    handle: ({ pve, caller, params }) => readBackup(pve, caller, params.volume),
  }),
]
