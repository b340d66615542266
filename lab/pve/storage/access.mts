/** Checks of permissions on storages and volumes. */

import { failure } from '../core/errors.mts'
import { type Caller, hasAll, hasAny, requireAll, requireAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { parseVolumeName } from './names.mts'
import { parseVolumeId, requireForImages, storageOf } from './storages.mts'

/** Checks whether a storage is in the caller's lists. */
export function mayAuditStorage(caller: Caller, storageId: string): boolean {
  return hasAny(caller, `/storage/${storageId}`, 'Datastore.Audit', 'Datastore.AllocateSpace')
}

/** Checks that the caller may put new disks on a storage, and that the storage accepts disks. */
export function requireSpace(pve: Pve, caller: Caller, storageId: string): void {
  requireAll(caller, `/storage/${storageId}`, 'Datastore.AllocateSpace')
  requireForImages(pve, storageId)
}

function requireForeignDisk(caller: Caller, storage: string, vmid: number): void {
  requireAll(caller, `/storage/${storage}`, 'Datastore.Audit')
  requireAll(caller, `/vms/${vmid}`, 'VM.Config.Disk')
}

/**
 * Checks that the caller may read a volume (`check_volume_access` in PVE/Storage.pm). Files need a privilege on their
 * storage, disks of another VM also need one on that VM.
 * @param vmid VM that will use the volume; it may always use its own disks.
 */
export function requireVolumeAccess(pve: Pve, caller: Caller, volid: string, vmid: number | undefined): void {
  const id = parseVolumeId(volid)
  if (!id) {
    if (caller.authid === 'root@pam') return
    throw failure('Only root can pass arbitrary filesystem paths.')
  }
  const { type, vmid: owner } = parseVolumeName(storageOf(pve, id.storage), id.name)
  if (hasAll(caller, `/storage/${id.storage}`, 'Datastore.Allocate')) return
  if (['iso', 'vztmpl', 'import'].includes(type))
    requireAny(caller, `/storage/${id.storage}`, 'Datastore.AllocateSpace', 'Datastore.Audit')
  else if (owner === undefined) throw failure(`missing privileges to access ${volid}`)
  else if (owner !== vmid) requireForeignDisk(caller, id.storage, owner)
}
