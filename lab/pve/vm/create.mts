/** Creates VMs. The request claims the VMID, a worker makes the disks. */

import { failure, permissionDenied, textOf } from '../core/errors.mts'
import type { Caller } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { removeVmFirewall } from '../firewall/conf.mts'
import { attachDrives } from './attach.mts'
import { requireTagPrivileges } from './change-permissions.mts'
import { drivesOf, isCdrom } from './drive.mts'
import { isFirmwareSlot } from './drive-formats.mts'
import { newIdentity } from './identity.mts'
import { machineOf, QEMU_VERSION, requireClipboard } from './machine.mts'
import { startVm } from './power.mts'
import { storedConfig, uniqueTags, withHashedPassword } from './settings.mts'
import { leavePools } from './vm.mts'

const LOCK_SECONDS = 5

interface Creation {
  vmid: number
  settings: VmConfig
  pool: string | undefined
  start: boolean
}

/** Returns the default boot order: first disk, first CD, first network card. Empty without any. */
function defaultBootOrder(config: VmConfig): string {
  const drives = drivesOf(config).filter(([slot]) => !isFirmwareSlot(slot))
  const disk = drives.find(([, drive]) => !isCdrom(drive))?.[0]
  const cd = drives.find(([, drive]) => isCdrom(drive))?.[0]
  const nic = Array.from({ length: 32 }, (_, index) => `net${index}`).find(key => config[key] !== undefined)
  const devices = [disk, cd, nic].filter(device => device !== undefined)
  return devices.length === 0 ? '' : `order=${devices.join(';')}`
}

function metaOf(pve: Pve): string {
  return `creation-qemu=${QEMU_VERSION[pve.version]},ctime=${Math.floor(Date.now() / 1000)}`
}

/** Moves a VM to a pool. */
export function joinPool(pve: Pve, vmid: number, poolid: string): void {
  leavePools(pve, vmid)
  pve.store.state.access.pools[poolid]!.vms.push(vmid)
}

/** @throws {ApiError} 403 for a pool that is missing, as Proxmox answers. */
export function requirePool(pve: Pve, pool: string | undefined): void {
  if (pool !== undefined && !pve.store.state.access.pools[pool])
    throw permissionDenied(`pool '${pool}' does not exist`)
}

/** Makes a locked VM that holds the VMID for a worker. */
export function claimVmid(pve: Pve, vmid: number, lock: 'create' | 'clone'): Vm {
  const rest = { pending: {}, pendingDelete: [], cloudInitApplied: undefined }
  const vm: Vm = { vmid, node: pve.node, config: { lock }, ...rest }
  pve.store.state.vms[vmid] = vm
  return vm
}

/** Frees a VMID after its worker failed. */
export function releaseVmid(pve: Pve, vmid: number): void {
  delete pve.store.state.vms[vmid]
  removeVmFirewall(pve, vmid)
  leavePools(pve, vmid)
}

/** Returns the options that Proxmox adds to a new VM. Processors of ARM have no generation id. */
function generated(pve: Pve, config: VmConfig): VmConfig {
  const { smbios1, vmgenid } = newIdentity()
  const isNewId = (config['vmgenid'] ?? '1') === '1' && config['arch'] !== 'aarch64'
  const machine = machineOf(pve, config)
  return {
    ...(!config['boot'] && { boot: defaultBootOrder(config) }),
    ...(!config['smbios1'] && { smbios1: smbios1! }),
    ...(isNewId && { vmgenid: vmgenid! }),
    ...(machine !== undefined && { machine }),
    meta: metaOf(pve),
  }
}

/** Replaces `smp`, the number of processors of old versions, by sockets. */
function withoutSmp(config: VmConfig): VmConfig {
  const { smp, ...rest } = config
  if (smp === undefined || rest['sockets'] !== undefined) return rest
  const { cores: _, ...others } = rest
  return { ...others, sockets: smp }
}

async function fillVm(
  pve: Pve,
  caller: Caller,
  vm: Vm,
  settings: VmConfig,
  task: TaskContext,
): Promise<void> {
  await pve.pause(DURATIONS.create)
  const { tags, ...wanted } = withHashedPassword(settings)
  requireClipboard(wanted['vga'])
  if (tags !== undefined) requireTagPrivileges(caller, vm.vmid)
  const whole = {
    ...wanted,
    ...generated(pve, wanted),
    ...(tags !== undefined && { tags: uniqueTags(tags) }),
  }
  const config = storedConfig(withoutSmp(whole))
  vm.config = await attachDrives(pve, vm.vmid, config, config, task)
}

async function createLocked(
  pve: Pve,
  caller: Caller,
  vm: Vm,
  { settings, pool }: Creation,
  task: TaskContext,
): Promise<void> {
  try {
    await fillVm(pve, caller, vm, settings, task)
  } catch (error) {
    releaseVmid(pve, vm.vmid)
    throw failure(`unable to create VM ${vm.vmid} - ${textOf(error)}`)
  }
  if (pool !== undefined) joinPool(pve, vm.vmid, pool)
}

async function autostart(pve: Pve, caller: Caller, vmid: number, task: TaskContext): Promise<void> {
  task.log('Execute autostart')
  await pve.tasks.start({
    type: 'qmstart',
    id: String(vmid),
    authid: caller.authid,
    work: start => startVm(pve, vmid, start),
  })
}

/** Starts the worker and returns its UPID. @throws {ApiError} if the VMID exists. */
export function createVm(pve: Pve, caller: Caller, creation: Creation): Promise<string> {
  const { vmid } = creation
  const other = pve.store.state.vms[vmid]
  if (other) throw failure(`unable to create VM ${vmid} - VM ${vmid} already exists on node '${other.node}'`)
  const vm = claimVmid(pve, vmid, 'create')
  return pve.tasks.start({
    type: 'qmcreate',
    id: String(vmid),
    authid: caller.authid,
    work: async task => {
      await pve.locks.exclusive(vmid, LOCK_SECONDS, () => createLocked(pve, caller, vm, creation, task))
      if (creation.start) await autostart(pve, caller, vmid, task)
    },
  })
}
