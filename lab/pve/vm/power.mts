/** Starts, stops and resets VMs. A start uses the config of that moment. A guest can also end by itself. */

import type { GuestStart, RunningGuest } from '../../guests/driver.mts'
import { findNode } from '../core/cluster.mts'
import { failure, messageOf } from '../core/errors.mts'
import type { LiveGuest, Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { requireFile } from '../storage/files.mts'
import { parseVolumeId } from '../storage/storages.mts'
import { volumeOf } from '../storage/volumes.mts'
import { cloudInitOptionsOf, generateCloudInit, hasCloudInitDrive } from './cloud-init.mts'
import { drivesOf, isCdrom, isCloudInit } from './drive.mts'
import { nicsOf } from './identity.mts'
import { applyPending } from './pending.mts'
import {
  coresOf,
  findVm,
  hasAgentChannel,
  isRunning,
  isTemplate,
  memoryOf,
  requireUnlocked,
  withPending,
} from './vm.mts'

const LOCK_SECONDS = 10
/** Default time for a guest to power off. */
const SHUTDOWN_SECONDS = 60

let lastGuestPid = 20_000

async function cdromsOf(pve: Pve, config: VmConfig): Promise<GuestStart['cdroms']> {
  const media = drivesOf(config).filter(
    ([, drive]) => isCdrom(drive) && !isCloudInit(drive) && parseVolumeId(drive.file),
  )
  return Promise.all(
    media.map(async ([slot, drive]) => ({ slot, path: (await requireFile(pve, drive.file)).path })),
  )
}

function disksOf(pve: Pve, config: VmConfig): GuestStart['disks'] {
  return drivesOf(config)
    .filter(([, drive]) => !isCdrom(drive))
    .map(([slot, drive]) => ({ slot, path: volumeOf(pve, drive.file).path }))
}

/** Generates the cloud-init drive again; undefined if the config has none. */
async function cloudInitOf(pve: Pve, { vmid, config }: Vm): Promise<GuestStart['cloudInit']> {
  const [slot] = drivesOf(config).find(([, drive]) => isCloudInit(drive)) ?? []
  return slot === undefined ? undefined : { slot, ...(await generateCloudInit(pve, vmid, config)) }
}

/** Collects the settings for the driver from the config of this moment. */
async function describeGuest(pve: Pve, vm: Vm): Promise<GuestStart> {
  const { vmid, config } = vm
  const cloudInit = await cloudInitOf(pve, vm)
  if (cloudInit) vm.cloudInitApplied = cloudInitOptionsOf(config)
  return {
    vmid,
    name: config['name'] ?? `VM ${vmid}`,
    memory: memoryOf(config),
    cores: coresOf(config),
    scsiController: config['scsihw'] ?? 'lsi',
    disks: disksOf(pve, config),
    cdroms: await cdromsOf(pve, config),
    nics: nicsOf(config).map(([slot, nic]) => ({
      slot,
      mac: nic['macaddr']!,
      bridge: nic['bridge'] ?? '',
      model: nic['model']!,
    })),
    cloudInit,
    agentChannel: hasAgentChannel(config),
  }
}

function follow(pve: Pve, vmid: number, guest: RunningGuest): void {
  lastGuestPid += 1
  const live: LiveGuest = { guest, startedAt: Date.now(), pid: lastGuestPid }
  pve.live.set(vmid, live)
  // If a guest powers itself off, its VM is stopped.
  void guest.exited.then(() => {
    if (pve.live.get(vmid) === live) pve.live.delete(vmid)
  })
}

/** Checks the number of CPUs, if the cluster's description has one. The number of the lab's machine does not matter. */
function requireCpus(pve: Pve, config: VmConfig): void {
  const cpus = findNode(pve.store.state, pve.node)?.cores
  if (cpus !== undefined && coresOf(config) > cpus)
    throw failure(`MAX ${cpus} vcpus allowed per VM on this node`)
}

async function startLocked(pve: Pve, vmid: number): Promise<void> {
  const vm = findVm(pve, vmid)
  requireUnlocked(vm)
  if (isTemplate(vm.config)) throw failure("you can't start a vm if it's a template")
  if (isRunning(pve, vmid)) throw failure(`VM ${vmid} already running`)
  requireCpus(pve, withPending(vm))
  await applyPending(pve, vm)
  const guest = await describeGuest(pve, vm)
  await pve.pause(DURATIONS.start)
  follow(pve, vmid, await boot(pve, guest))
}

function boot(pve: Pve, guest: GuestStart): Promise<RunningGuest> {
  return pve.driver.start(guest).catch(error => {
    throw failure(`start failed: ${messageOf(error)}`)
  })
}

/** Boots a VM. Called in a worker. */
export async function startVm(pve: Pve, vmid: number, task: TaskContext): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, () => startLocked(pve, vmid))
  if (hasCloudInitDrive(findVm(pve, vmid).config)) task.log('generating cloud-init ISO')
}

async function pullPlug(pve: Pve, vmid: number): Promise<void> {
  const live = pve.live.get(vmid)
  if (!live) return
  await live.guest.stop()
  await live.guest.exited
  if (pve.live.get(vmid) === live) pve.live.delete(vmid)
}

/** Stops a VM without asking its guest, then applies its waiting changes. Does nothing to a stopped VM. */
export async function stopVm(pve: Pve, vmid: number, skiplock: boolean): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireUnlocked(vm, skiplock)
    if (!isRunning(pve, vmid)) return
    await pve.pause(DURATIONS.stop)
    await pullPlug(pve, vmid)
    await applyPending(pve, vm)
  })
}

function timeout(seconds: number): Promise<'timeout'> {
  return new Promise<'timeout'>(resolve => setTimeout(() => resolve('timeout'), seconds * 1000).unref())
}

async function powerDown(guest: RunningGuest, seconds: number): Promise<boolean> {
  await guest.shutdown()
  return (await Promise.race([guest.exited, timeout(seconds)])) !== 'timeout'
}

/** Asks the guest to power off. With `forceStop`, stops it after `seconds`. @throws {ApiError} after that time. */
export async function shutdownVm(
  pve: Pve,
  vmid: number,
  options: { forceStop: boolean; seconds?: number | undefined },
  task: TaskContext,
): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireUnlocked(vm)
    const live = pve.live.get(vmid)
    if (!live) return
    if (!(await powerDown(live.guest, options.seconds ?? SHUTDOWN_SECONDS))) {
      if (!options.forceStop) throw failure('VM quit/powerdown failed - got timeout')
      task.warn('VM still running - terminating now with SIGTERM')
      await pullPlug(pve, vmid)
    }
    await applyPending(pve, vm)
  })
}

/** Powers the VM off and starts it again. That applies its waiting changes. */
export async function rebootVm(
  pve: Pve,
  vmid: number,
  seconds: number | undefined,
  task: TaskContext,
): Promise<void> {
  await shutdownVm(pve, vmid, { forceStop: false, seconds }, task)
  await startVm(pve, vmid, task)
}

/** Presses the reset button. The guest boots again with the same hardware. */
export async function resetVm(pve: Pve, vmid: number): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireUnlocked(vm)
    const running = pve.live.get(vmid)?.guest
    if (running?.reset) return running.reset()
    const guest = await describeGuest(pve, vm)
    await pullPlug(pve, vmid)
    follow(pve, vmid, await boot(pve, guest))
  })
}
