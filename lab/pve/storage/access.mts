/** Checks of permissions on storages and volumes. */

import { failure } from '../core/errors.mts'
import { type Caller, hasAll, hasAny, requireAll, requireAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { parsedVolume, parseVolumeId, requireForImages, type VolumeId } from './storages.mts'

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

function requireBackup(caller: Caller, storage: string, vmid: number): void {
  requireAll(caller, `/storage/${storage}`, 'Datastore.AllocateSpace')
  requireAll(caller, `/vms/${vmid}`, 'VM.Backup')
}

/**
 * Checks that the caller may read a volume (`check_volume_access` in PVE/Storage.pm). Files need a privilege on their
 * storage; backups and disks of another VM also need one on that VM.
 * @param vmid VM that will use the volume; it may always use its own disks.
 */
export function requireVolumeAccess(pve: Pve, caller: Caller, volid: string, vmid: number | undefined): void {
  const id = parseVolumeId(volid)
  if (!id) {
    if (caller.authid === 'root@pam') return
    throw failure('Only root can pass arbitrary filesystem paths.')
  }
  const { type, vmid: owner } = parsedVolume(pve, id)
  const { storage } = id
  if (hasAll(caller, `/storage/${storage}`, 'Datastore.Allocate')) return
  if (type === 'iso' || type === 'vztmpl' || type === 'import')
    requireAny(caller, `/storage/${storage}`, 'Datastore.AllocateSpace', 'Datastore.Audit')
  else if (owner !== undefined && owner === vmid) return
  else if (type === 'backup' && owner !== undefined) requireBackup(caller, storage, owner)
  else if (type === 'images' && owner !== undefined) requireForeignDisk(caller, storage, owner)
  else throw failure(`missing privileges to access ${volid}`)
}

/** Checks that the caller may delete a volume. A backup needs less than other volumes do. */
export function requireDeletable(pve: Pve, caller: Caller, id: VolumeId): void {
  const { type, vmid } = parsedVolume(pve, id)
  if (type === 'backup' && vmid !== undefined) requireBackup(caller, id.storage, vmid)
  else requireAll(caller, `/storage/${id.storage}`, 'Datastore.Allocate')
}
