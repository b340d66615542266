/** POST /nodes/{node}/qemu: creates a VM, or restores it from a backup. */

import { failure, parameterError, permissionDenied } from '../core/errors.mts'
import { flag, integer, nodeName, optional, storageId, text, vmid } from '../core/parameters.mts'
import { anyone, type Caller, hasAll, requireAll, requireAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import type { VmConfig } from '../core/state.mts'
import { requireVolumeAccess } from '../storage/access.mts'
import { requireFile } from '../storage/files.mts'
import { parseVolumeName } from '../storage/names.mts'
import { parseVolumeId, storageOf } from '../storage/storages.mts'
import { checkDrives, resolveCdromAlias } from './attach.mts'
import {
  requireBridges,
  requireDevices,
  requireOptionChanges,
  requireStorageAccess,
} from './change-permissions.mts'
import { createVm, requirePool } from './create.mts'
import { isDriveSlot } from './drive-formats.mts'
import { addMacs } from './identity.mts'
import { vmOptions } from './options.mts'
import { claimForRestore, type Restoring, restoreVm } from './restore.mts'
import { settingsFrom } from './settings.mts'
import { requireSshKeys } from './ssh-keys.mts'

interface Place {
  vmid: number
  pool: string | undefined
}

/** Requires a privilege on the VM or on its pool. */
function requireOnPlace(caller: Caller, { vmid: id, pool }: Place, privilege: string): void {
  if (pool === undefined || !hasAll(caller, `/pool/${pool}`, privilege))
    requireAny(caller, `/vms/${id}`, privilege)
}

/** VM.Allocate is enough, on the VM or on its pool. Proxmox names neither if both are missing. */
function requireAllocation(caller: Caller, { vmid: id, pool }: Place): void {
  const isAllowed =
    hasAll(caller, `/vms/${id}`, 'VM.Allocate') ||
    (pool !== undefined && hasAll(caller, `/pool/${pool}`, 'VM.Allocate'))
  if (!isAllowed) throw permissionDenied()
}

/** Checks the options of a new VM in Proxmox's order. @returns them as they go into the config. @throws {ApiError} */
function checkSettings(pve: Pve, caller: Caller, place: Place, settings: VmConfig): VmConfig {
  requireStorageAccess(pve, caller, place.vmid, settings)
  requireOptionChanges(caller, place, Object.keys(settings))
  requireDevices(caller, place, settings)
  requireBridges(pve, caller, settings)
  return addMacs(checkDrives(pve, settings))
}

/** Checks a backup to restore. @returns its path. @throws {ApiError} */
async function requireArchive(
  pve: Pve,
  caller: Caller,
  { vmid: id }: Place,
  archive: string,
): Promise<string> {
  if (archive === '-') throw failure('pipe requires cli environment')
  requireVolumeAccess(pve, caller, archive, id)
  const volume = parseVolumeId(archive)
  if (!volume) throw failure(`can't find file '${archive}'`)
  if (parseVolumeName(storageOf(pve, volume.storage), volume.name).type !== 'backup')
    throw failure(`unable to use volume ${archive} - content type needs to be 'backup'`)
  return (await requireFile(pve, archive)).path
}

/** Checks whether the caller may replace a VM that is there by a backup of it. */
function mayReplace(pve: Pve, caller: Caller, id: number, force: boolean | undefined): boolean {
  const isThere = pve.store.state.vms[id]?.node === pve.node
  return force === true && isThere && hasAll(caller, `/vms/${id}`, 'VM.Backup')
}

async function startRestore(pve: Pve, caller: Caller, restoring: Restoring, force: boolean): Promise<string> {
  claimForRestore(pve, restoring.vmid, force)
  return pve.tasks.start({
    type: 'qmrestore',
    id: String(restoring.vmid),
    authid: caller.authid,
    work: task => restoreVm(pve, caller, restoring, task),
  })
}

export const qemuCreateRoutes: Route[] = [
  route({
    method: 'POST',
    path: '/nodes/{node}/qemu',
    permission: anyone,
    parameters: {
      ...vmOptions,
      node: nodeName,
      vmid,
      archive: optional({ ...text, maxLength: 255 }),
      bwlimit: optional({ ...integer, minimum: 0 }),
      force: { ...optional(flag), requires: 'archive' },
      'ha-managed': optional(flag),
      'import-working-storage': optional(storageId),
      'live-restore': optional(flag),
      pool: optional(text),
      start: optional(flag),
      storage: optional(storageId),
      unique: { ...optional(flag), requires: 'archive' },
    },
    async handle({ pve, caller, params, raw }) {
      const { pool, storage, start } = params
      const place = { vmid: params.vmid, pool }
      const sent = settingsFrom(raw)
      requireSshKeys(sent['sshkeys'])
      requirePool(pve, pool)
      if (storage !== undefined) requireAll(caller, `/storage/${storage}`, 'Datastore.AllocateSpace')
      if (params['ha-managed']) requireAll(caller, '/', 'Sys.Console')
      if (start) requireOnPlace(caller, place, 'VM.PowerMgmt')
      const { archive: volid, force = false, unique = false } = params
      if (volid === undefined || !mayReplace(pve, caller, place.vmid, force)) requireAllocation(caller, place)
      const slot = Object.keys(sent).sort().find(isDriveSlot)
      if (volid !== undefined && slot !== undefined)
        throw parameterError({ [slot]: "option conflicts with option 'archive'" })
      const archive = volid === undefined ? undefined : await requireArchive(pve, caller, place, volid)
      const settings = checkSettings(pve, caller, place, resolveCdromAlias(sent))
      if (archive !== undefined)
        return startRestore(
          pve,
          caller,
          { ...place, archive, storage, unique, settings, start: start ?? false },
          force,
        )
      return createVm(pve, caller, { ...place, settings, start: start ?? false })
    },
  }),
]
