/** Who may read or fill a storage. */

import { failure, parameterError } from '../core/errors.mts'
import { type Caller, hasAll, hasAny, requireAll, requireAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { parseVolumeId, storageOf } from './storages.mts'

/** Whether a storage shows in the caller's lists. */
export function mayAuditStorage(caller: Caller, storageId: string): boolean {
  return hasAny(caller, `/storage/${storageId}`, 'Datastore.Audit', 'Datastore.AllocateSpace')
}

/** New disks need space on a storage that takes disks at all. */
export function requireSpace(pve: Pve, caller: Caller, storageId: string): void {
  requireAll(caller, `/storage/${storageId}`, 'Datastore.AllocateSpace')
  if (!storageOf(pve, storageId).content.includes('images'))
    throw parameterError({ storage: `storage '${storageId}' does not support vm images` })
}

function requireForeignDisk(caller: Caller, storage: string, vmid: number): void {
  requireAll(caller, `/storage/${storage}`, 'Datastore.Audit')
  requireAll(caller, `/vms/${vmid}`, 'VM.Config.Disk')
}

/**
 * Read access to a volume, on behalf of the VM `vmid` (undefined for none): its own disks are always fine, files
 * need a right on their storage, another VM's disks need rights on that VM too.
 */
export function requireVolumeAccess(pve: Pve, caller: Caller, volid: string, vmid: number | undefined): void {
  const id = parseVolumeId(volid)
  if (!id) throw failure(`Only root can pass arbitrary filesystem paths.`)
  if (hasAll(caller, `/storage/${id.storage}`, 'Datastore.Allocate')) return
  const owner = pve.store.state.volumes[volid]?.vmid
  if (/^(iso|vztmpl|import)\//.test(id.name))
    requireAny(caller, `/storage/${id.storage}`, 'Datastore.AllocateSpace', 'Datastore.Audit')
  else if (owner === undefined) throw failure(`missing privileges to access ${volid}`)
  else if (owner !== vmid) requireForeignDisk(caller, id.storage, owner)
}
