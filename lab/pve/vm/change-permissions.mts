/** Permissions for changes of a VM's config, option by option (PVE/API2/Qemu.pm). */

import { failure } from '../core/errors.mts'
import { type Caller, hasAll, hasAny, requireAll, requireAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import { requireSpace, requireVolumeAccess } from '../storage/access.mts'
import { parseVolumeId } from '../storage/storages.mts'
import { newCloudInitOf, newDiskOf } from './attach.mts'
import { type Drive, drivesOf, isCdrom, isCloudInit, parseDrive } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'
import { nicsOf } from './identity.mts'
import { privilegesToChange } from './options.mts'

/** VM of a change. For a new VM, privileges on its pool are enough. */
interface Target {
  vmid: number
  pool: string | undefined
}

function requireOnVm(caller: Caller, target: Target, privileges: string[], mode: 'all' | 'any'): void {
  const has = mode === 'all' ? hasAll : hasAny
  if (target.pool !== undefined && has(caller, `/pool/${target.pool}`, ...privileges)) return
  const require = mode === 'all' ? requireAll : requireAny
  require(caller, `/vms/${target.vmid}`, ...privileges)
}

/** Checks the privileges to attach or remove a drive. */
function requireDriveChange(caller: Caller, target: Target, drive: Drive): void {
  if (isCloudInit(drive)) requireOnVm(caller, target, ['VM.Config.Cloudinit', 'VM.Config.CDROM'], 'all')
  else requireOnVm(caller, target, [isCdrom(drive) ? 'VM.Config.CDROM' : 'VM.Config.Disk'], 'all')
}

function requireOptionChange(caller: Caller, target: Target, key: string, value: string | undefined): void {
  if (caller.authid === 'root@pam' || isDriveSlot(key)) return
  const privileges = privilegesToChange(key, value)
  if (privileges === undefined) throw failure(`only root can set '${key}' config`)
  requireOnVm(caller, target, privileges, 'any')
  // The start-up order also affects the boot of the host.
  if (key === 'startup') requireAll(caller, '/', 'Sys.Modify')
}

function requireImportAccess(pve: Pve, caller: Caller, source: string, vmid: number): void {
  const owner = pve.store.state.volumes[source]?.vmid
  if (owner !== undefined) requireAll(caller, `/vms/${owner}`, 'VM.Clone')
  // Only root may use paths of the host. `requireVolumeAccess` refuses them to everybody else.
  else if (parseVolumeId(source) || caller.authid !== 'root@pam')
    requireVolumeAccess(pve, caller, source, vmid)
}

function requireStorageAccess(pve: Pve, caller: Caller, vmid: number, drive: Drive): void {
  const wanted = newDiskOf(drive)
  if (drive.file === 'none' || newCloudInitOf(drive)) return
  if (drive.file === 'cdrom') requireAll(caller, '/', 'Sys.Console')
  else if (wanted) requireNewDisk(pve, caller, vmid, { ...drive, storage: wanted.storage })
  else requireVolumeAccess(pve, caller, drive.file, vmid)
}

function requireNewDisk(pve: Pve, caller: Caller, vmid: number, drive: Drive & { storage: string }): void {
  requireSpace(pve, caller, drive.storage)
  const source = drive.options['import-from']
  if (source !== undefined) requireImportAccess(pve, caller, source, vmid)
}

/** Checks SDN.Use on each network card's bridge, or on the VLAN of the bridge if the card has a tag. */
export function requireBridges(caller: Caller, config: VmConfig): void {
  for (const [, nic] of nicsOf(config)) {
    if (nic['bridge'] === undefined) continue
    const bridge = `/sdn/zones/localnetwork/${nic['bridge']}`
    const path = nic['tag'] === undefined ? bridge : `${bridge}/${nic['tag']}`
    requireAll(caller, path, 'SDN.Use')
  }
}

/** Checks all options and drives of `settings`. @throws {ApiError} 403 for the first that the caller may not set. */
export function requireSettings(pve: Pve, caller: Caller, target: Target, settings: VmConfig): void {
  for (const [key, value] of Object.entries(settings)) requireOptionChange(caller, target, key, value)
  for (const [, drive] of drivesOf(settings)) {
    requireDriveChange(caller, target, drive)
    requireStorageAccess(pve, caller, target.vmid, drive)
  }
  requireBridges(caller, settings)
}

/** Checks the removal of options. @param config present config, which says what kind of drive a slot has. */
export function requireRemovals(caller: Caller, vmid: number, keys: string[], config: VmConfig): void {
  const target = { vmid, pool: undefined }
  for (const key of keys) {
    requireOptionChange(caller, target, key, undefined)
    const drive = isDriveSlot(key) && config[key] !== undefined ? parseDrive(config[key]) : undefined
    if (drive) requireDriveChange(caller, target, drive)
  }
}
