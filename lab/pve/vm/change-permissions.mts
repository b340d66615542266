/** Permissions for changes of a VM's config, option by option (PVE/API2/Qemu.pm). */

import { failure, parameterError } from '../core/errors.mts'
import { type Caller, hasAll, hasAny, requireAll, requireAny } from '../core/permission.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import { zoneOfBridge } from '../sdn/vnets.mts'
import { requireSpace, requireVolumeAccess } from '../storage/access.mts'
import { parseVolumeName } from '../storage/names.mts'
import { parseVolumeId, storageOf } from '../storage/storages.mts'
import { newCloudInitOf, newDiskOf } from './attach.mts'
import { hostPciFormat, rngFormat, usbFormat, virtiofsFormat } from './device-formats.mts'
import { type Drive, isCdrom, isCloudInit, parseDrive, readDrive } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'
import { nicsOf } from './identity.mts'
import { privilegesToChange } from './options.mts'

/** VM of a change. For a new VM, privileges on its pool are enough. */
interface Target {
  vmid: number
  pool: string | undefined
}

function requireOnVm(
  caller: Caller,
  target: Target,
  privileges: string[],
  mode: 'all' | 'any' = 'all',
): void {
  const has = mode === 'all' ? hasAll : hasAny
  if (target.pool !== undefined && has(caller, `/pool/${target.pool}`, ...privileges)) return
  const require = mode === 'all' ? requireAll : requireAny
  require(caller, `/vms/${target.vmid}`, ...privileges)
}

/** Checks the privileges to attach or remove a drive. */
export function requireDriveChange(caller: Caller, vmid: number, drive: Drive): void {
  const target = { vmid, pool: undefined }
  if (isCloudInit(drive)) requireOnVm(caller, target, ['VM.Config.Cloudinit', 'VM.Config.CDROM'])
  else requireOnVm(caller, target, [isCdrom(drive) ? 'VM.Config.CDROM' : 'VM.Config.Disk'])
}

/** Options whose checks depend on their values, and happen elsewhere. */
function isCheckedByValue(key: string): boolean {
  return (
    isDriveSlot(key) ||
    ['cdrom', 'tags'].includes(key) ||
    /^(unused|serial|usb|hostpci|virtiofs)\d+$/.test(key)
  )
}

/** Checks the privileges for options whose values do not matter. @throws {ApiError} */
export function requireOptionChanges(caller: Caller, target: Target, keys: readonly string[]): void {
  if (caller.authid === 'root@pam') return
  for (const key of keys.filter(each => !isCheckedByValue(each))) {
    const privileges = privilegesToChange(key)
    if (privileges === undefined) throw failure(`only root can set '${key}' config`)
    requireOnVm(caller, target, privileges, 'any')
    // The start-up order also affects the boot of the host.
    if (key === 'startup') requireAll(caller, '/', 'Sys.Modify')
  }
}

export function requireTagPrivileges(caller: Caller, vmid: number): void {
  requireAll(caller, `/vms/${vmid}`, 'VM.Config.Options')
}

type DeviceCheck = (caller: Caller, target: Target, key: string, value: string) => void

const requireHardware = (caller: Caller, target: Target): void =>
  requireOnVm(caller, target, ['VM.Config.HWType'])

function requireSerial(caller: Caller, target: Target, key: string, value: string): void {
  if (value !== 'socket') throw failure(`only root can set '${key}' config for real devices`)
  requireHardware(caller, target)
}

function requireUsb(caller: Caller, target: Target, key: string, value: string): void {
  requireHardware(caller, target)
  const { host, mapping } = parsePropertyString(usbFormat, value)
  if (host !== undefined && !/^spice$/i.test(host))
    throw failure(`only root can set '${key}' config for real devices`)
  if (host !== undefined) return
  if (mapping === undefined) throw failure("either 'host' or 'mapping' must be set.")
  requireAll(caller, `/mapping/usb/${mapping}`, 'Mapping.Use')
}

function requireHostPci(caller: Caller, target: Target, key: string, value: string): void {
  const { host, mapping, romfile } = parsePropertyString(hostPciFormat, value)
  if (host !== undefined) throw failure(`only root can set '${key}' config for non-mapped devices`)
  if (mapping === undefined) throw failure("either 'host' or 'mapping' must be set.")
  requireAll(caller, `/mapping/pci/${mapping}`, 'Mapping.Use')
  requireHardware(caller, target)
  if (romfile !== undefined) throw parameterError({ [key]: "only root@pam can set 'romfile' option" })
}

function requireRng(caller: Caller, target: Target, _key: string, value: string): void {
  requireHardware(caller, target)
  if (parsePropertyString(rngFormat, value)['source'] === '/dev/hwrng')
    requireAll(caller, '/mapping/hwrng', 'Mapping.Use')
}

function requireFolder(caller: Caller, target: Target, _key: string, value: string): void {
  requireOnVm(caller, target, ['VM.Config.Disk'])
  requireAll(caller, `/mapping/dir/${parsePropertyString(virtiofsFormat, value)['dirid']}`, 'Mapping.Use')
}

/** In the order in which Proxmox checks a new VM. */
const DEVICES: readonly [key: RegExp, check: DeviceCheck][] = [
  [/^serial\d+$/, requireSerial],
  [/^usb\d+$/, requireUsb],
  [/^hostpci\d+$/, requireHostPci],
  [/^rng\d+$/, requireRng],
  [/^virtiofs\d+$/, requireFolder],
]

/** Checks the privileges for devices, which depend on the device. @throws {ApiError} */
export function requireDevices(caller: Caller, target: Target, settings: VmConfig): void {
  if (caller.authid === 'root@pam') return
  for (const [pattern, check] of DEVICES)
    for (const [key, value] of Object.entries(settings))
      if (pattern.test(key)) check(caller, target, key, value)
}

function requireImportAccess(
  pve: Pve,
  caller: Caller,
  slot: string,
  source: string,
  vmid: number | undefined,
): void {
  const id = parseVolumeId(source)
  const parsed = id && parseVolumeName(storageOf(pve, id.storage), id.name)
  if (parsed && !['raw', 'qcow', 'qcow2', 'qed', 'vmdk', 'cloop'].includes(parsed.format.replace('ova+', '')))
    throw failure(`volume '${source}' - not a QEMU image format '${parsed.format}'`)
  if (parsed && !['images', 'import'].includes(parsed.type))
    throw parameterError({
      [slot]: `${source} has wrong type '${parsed.type}' - needs to be 'images' or 'import'`,
    })
  if (parsed?.vmid !== undefined) requireAll(caller, `/vms/${parsed.vmid}`, 'VM.Clone')
  else requireVolumeAccess(pve, caller, source, vmid)
}

/** Checks the access to a volume that is there. A CD in the node's own drive shows what the node can read. */
function requireExisting(pve: Pve, caller: Caller, vmid: number, slot: string, drive: Drive): void {
  requireVolumeAccess(pve, caller, drive.file, vmid)
  const id = parseVolumeId(drive.file)
  if (id && !['images', 'iso'].includes(parseVolumeName(storageOf(pve, id.storage), id.name).type))
    throw parameterError({ [slot]: "content type needs to be 'images' or 'iso'" })
}

function requireDriveAccess(pve: Pve, caller: Caller, vmid: number, slot: string, drive: Drive): void {
  const isCd = drive.options['media'] === 'cdrom'
  const wanted = isCd ? undefined : newDiskOf(drive)
  if (drive.file !== 'none' && !newCloudInitOf(drive)) {
    if (isCd && drive.file === 'cdrom') requireAll(caller, '/', 'Sys.Console')
    else if (wanted) requireSpace(pve, caller, wanted.storage)
    else requireExisting(pve, caller, vmid, slot, drive)
  }
  const source = drive.options['import-from']
  if (source !== undefined) requireImportAccess(pve, caller, slot, source, vmid)
}

function requireUnusedAccess(pve: Pve, caller: Caller, vmid: number, volid: string): void {
  const id = parseVolumeId(volid)!
  if (parseVolumeName(storageOf(pve, id.storage), id.name).type !== 'images')
    throw failure(`unable to use volume ${volid} - content type needs to be 'images'`)
  requireVolumeAccess(pve, caller, volid, vmid)
}

/** Checks the access to the storages and volumes that a request names. @throws {ApiError} */
export function requireStorageAccess(pve: Pve, caller: Caller, vmid: number, settings: VmConfig): void {
  const keys = Object.keys(settings).sort()
  for (const slot of keys.filter(isDriveSlot)) {
    const drive = readDrive(slot, settings[slot]!)
    if (drive) requireDriveAccess(pve, caller, vmid, slot, drive)
  }
  for (const key of keys.filter(each => /^unused\d+$/.test(each)))
    requireUnusedAccess(pve, caller, vmid, parseDrive(settings[key]!)!.file)
  const state = settings['vmstatestorage']
  if (state !== undefined) requireAll(caller, `/storage/${state}`, 'Datastore.AllocateSpace')
}

/** Lists the VLANs of `5;7-9`. */
function tagsOf(trunks: string): string[] {
  return trunks.split(';').flatMap(part => {
    const [first, last] = part.split('-').map(Number)
    if (last === undefined || last <= first!) return [String(first)]
    return Array.from({ length: last - first! + 1 }, (_, index) => String(first! + index))
  })
}

/** Checks SDN.Use on each network card's bridge, or on its VLANs if the card has some. */
export function requireBridges(pve: Pve, caller: Caller, config: VmConfig): void {
  if (caller.authid === 'root@pam') return
  for (const [, { bridge, tag, trunks }] of nicsOf(config)) {
    if (bridge === undefined) continue
    const path = `/sdn/zones/${zoneOfBridge(pve, bridge)}/${bridge}`
    const vlans = [...(tag === undefined ? [] : [tag]), ...(trunks === undefined ? [] : tagsOf(trunks))]
    for (const vlan of vlans) requireAll(caller, `${path}/${vlan}`, 'SDN.Use')
    if (vlans.length === 0) requireAll(caller, path, 'SDN.Use')
  }
}
