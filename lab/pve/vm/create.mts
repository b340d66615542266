/** Creates VMs. The request claims the VMID, a worker makes the disks. */
import { failure } from '../core/errors.mts'
import type { Caller } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { attachDrives } from './attach.mts'
import { drivesOf, isCdrom } from './drive.mts'
import { addMacs, newIdentity } from './identity.mts'
import { startVm } from './power.mts'
import { withHashedPassword } from './settings.mts'
import { leavePools } from './vm.mts'

const LOCK_SECONDS = 5
/** Version of QEMU in `meta`. Clients only show it. */
const QEMU_VERSION = { 8: '9.2.0', 9: '10.1.2' } as const

interface Creation {
  vmid: number
  settings: VmConfig
  pool: string | undefined
  start: boolean
}

/** Returns the default boot order: first disk, first CD, first network card. */
function defaultBootOrder(config: VmConfig): string {
  const drives = drivesOf(config)
  const disk = drives.find(([slot, drive]) => !isCdrom(drive) && !/^(efidisk|tpmstate)/.test(slot))?.[0]
  const cd = drives.find(([, drive]) => isCdrom(drive))?.[0]
  const nic = Object.keys(config).find(key => /^net\d+$/.test(key))
  return `order=${[disk, cd, nic].filter(Boolean).join(';')}`
}

function metaOf(pve: Pve): string {
  return `creation-qemu=${QEMU_VERSION[pve.version]},ctime=${Math.floor(Date.now() / 1000)}`
}

/** Moves a VM to a pool. */
export function joinPool(pve: Pve, vmid: number, poolid: string): void {
  leavePools(pve, vmid)
  pve.store.state.access.pools[poolid]!.vms.push(vmid)
}

export function requirePool(pve: Pve, pool: string | undefined): void {
  if (pool !== undefined && !pve.store.state.access.pools[pool])
    throw failure(`pool '${pool}' does not exist`)
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
  leavePools(pve, vmid)
}

async function fillVm(pve: Pve, vm: Vm, settings: VmConfig, task: TaskContext): Promise<void> {
  await pve.pause(DURATIONS.create)
  const wanted = addMacs(withHashedPassword(settings))
  const attached = await attachDrives(pve, vm.vmid, wanted, wanted, task)
  const config: VmConfig = { ...newIdentity(), meta: metaOf(pve), ...attached }
  vm.config = { boot: defaultBootOrder(config), ...config }
}

async function createLocked(pve: Pve, vm: Vm, settings: VmConfig, task: TaskContext): Promise<void> {
  try {
    await fillVm(pve, vm, settings, task)
  } catch (error) {
    releaseVmid(pve, vm.vmid)
    throw failure(`unable to create VM ${vm.vmid} - ${(error as Error).message}`)
  }
}

/** Starts the worker and returns its UPID. @throws {ApiError} if the VMID exists. */
export function createVm(pve: Pve, caller: Caller, creation: Creation): Promise<string> {
  const { vmid, settings, pool } = creation
  const other = pve.store.state.vms[vmid]
  if (other) throw failure(`unable to create VM ${vmid} - VM ${vmid} already exists on node '${other.node}'`)
  const vm = claimVmid(pve, vmid, 'create')
  if (pool !== undefined) joinPool(pve, vmid, pool)
  return pve.tasks.start({
    type: 'qmcreate',
    id: String(vmid),
    authid: caller.authid,
    work: async task => {
      await pve.locks.exclusive(vmid, LOCK_SECONDS, () => createLocked(pve, vm, settings, task))
      if (creation.start) await startVm(pve, vmid, task)
    },
  })
}
