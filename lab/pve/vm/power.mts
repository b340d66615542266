/** Starts, stops and resets VMs. A start uses the config of that moment. A guest can also end by itself. */

import type { GuestStart, RunningGuest } from '../../guests/driver.mts'
import { failure, messageOf } from '../core/errors.mts'
import type { LiveGuest, Pve } from '../core/pve.mts'
import type { Vm } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { hasCloudInitDrive } from './cloud-init.mts'
import { warnOfFirmware } from './firmware.mts'
import { describeGuest, requireCpus } from './hardware.mts'
import { requireModules } from './memory.mts'
import { applyPending } from './pending.mts'
import {
  findVm,
  hasLock,
  isRunning,
  isTemplate,
  requireConfigFile,
  requireUnlocked,
  withPending,
} from './vm.mts'
import { dropState, statePathOf } from './vm-state.mts'

const LOCK_SECONDS = 10
/** Default time for a guest to power off. */
const SHUTDOWN_SECONDS = 60

let lastGuestPid = 20_000

function follow(pve: Pve, vmid: number, guest: RunningGuest): void {
  lastGuestPid += 1
  const live: LiveGuest = { guest, startedAt: Date.now(), pid: lastGuestPid, paused: false }
  pve.live.set(vmid, live)
  // If a guest powers itself off, its VM is stopped.
  void guest.exited.then(() => {
    if (pve.live.get(vmid) === live) pve.live.delete(vmid)
  })
}

function boot(pve: Pve, guest: GuestStart): Promise<RunningGuest> {
  return pve.driver.start(guest).catch(error => {
    throw failure(`start failed: ${messageOf(error)}`)
  })
}

interface Starting {
  skiplock?: boolean | undefined
  /** Volume id of a state to continue from; it stays. Undefined: that of the config, if it has one. */
  state?: string | undefined
}

/** Starts a VM while the caller holds its lock. */
export async function startLocked(
  pve: Pve,
  vmid: number,
  task: TaskContext,
  { skiplock = false, state }: Starting = {},
): Promise<void> {
  const vm = findVm(pve, vmid)
  if (isTemplate(vm.config)) throw failure("you can't start a vm if it's a template")
  const suspended = hasLock(vm, 'suspended')
  requireUnlocked(vm, skiplock || suspended)
  if (isRunning(pve, vmid)) throw failure(`VM ${vmid} already running`)
  const resumed = suspended || vm.config['vmstate'] !== undefined
  requireCpus(pve, withPending(vm))
  requireModules(withPending(vm))
  if (state === undefined && !resumed) await applyPending(pve, vm)
  if (hasCloudInitDrive(vm.config)) task.log('generating cloud-init ISO')
  warnOfFirmware(pve, vm.config, task)
  if (resumed) task.log('Resuming suspended VM')
  const guest = await describeGuest(pve, vm)
  await pve.pause(DURATIONS.start)
  follow(pve, vmid, await boot(pve, { ...guest, state: statePathOf(pve, state ?? vm.config['vmstate']) }))
  if (!resumed || state !== undefined) return
  task.log('Resumed VM, removing state')
  await dropState(pve, vm)
}

/** Boots a VM, or continues a suspended one. Called in a worker. */
export async function startVm(
  pve: Pve,
  vmid: number,
  task: TaskContext,
  options: { skiplock?: boolean | undefined } = {},
): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, () => startLocked(pve, vmid, task, options))
}

async function pullPlug(pve: Pve, vmid: number): Promise<void> {
  const live = pve.live.get(vmid)
  if (!live) return
  await live.guest.stop()
  await live.guest.exited
  if (pve.live.get(vmid) === live) pve.live.delete(vmid)
}

/** Stops a VM without asking its guest, then applies its waiting changes. The caller holds its lock. */
export async function stopLocked(pve: Pve, vmid: number, skiplock = false): Promise<void> {
  requireConfigFile(pve, vmid)
  if (!isRunning(pve, vmid)) return
  const vm = findVm(pve, vmid)
  requireUnlocked(vm, skiplock)
  await pve.pause(DURATIONS.stop)
  await pullPlug(pve, vmid)
  await applyPending(pve, vm)
}

/** Stops a VM. Does nothing to a stopped one, even if its config is locked. */
export async function stopVm(pve: Pve, vmid: number, skiplock: boolean): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, () => stopLocked(pve, vmid, skiplock))
}

type Ending = 'off' | 'timeout' | 'aborted'

/** Resolves after a time, or at once when the task is aborted. */
function timeout(seconds: number, signal: AbortSignal): Promise<Ending> {
  return new Promise<Ending>(resolve => {
    setTimeout(() => resolve('timeout'), seconds * 1000).unref()
    signal.addEventListener('abort', () => resolve('aborted'))
    if (signal.aborted) resolve('aborted')
  })
}

async function powerDown(guest: RunningGuest, seconds: number, signal: AbortSignal): Promise<Ending> {
  await guest.shutdown()
  return Promise.race([guest.exited.then((): Ending => 'off'), timeout(seconds, signal)])
}

/** Returns the time for a guest to power off: the one given, that of the start-up options, or the default. */
function shutdownSeconds({ config }: Vm, given: number | undefined): number {
  const [, down] = /(?:^|,)down=(\d+)/.exec(config['startup'] ?? '') ?? []
  return given ?? (down === undefined ? SHUTDOWN_SECONDS : Number(down))
}

interface Shutdown {
  forceStop: boolean
  seconds: number | undefined
  skiplock?: boolean | undefined
}

async function shutDownLocked(pve: Pve, vmid: number, options: Shutdown, task: TaskContext): Promise<void> {
  requireConfigFile(pve, vmid)
  const live = pve.live.get(vmid)
  if (!live) return
  const vm = findVm(pve, vmid)
  requireUnlocked(vm, options.skiplock)
  const ending = await powerDown(live.guest, shutdownSeconds(vm, options.seconds), task.signal)
  if (ending === 'aborted') throw failure('interrupted by signal')
  if (ending === 'timeout') {
    if (!options.forceStop) throw failure('VM quit/powerdown failed - got timeout')
    task.log('VM still running - terminating now with SIGTERM')
    await pullPlug(pve, vmid)
  }
  await applyPending(pve, vm)
}

/** Asks the guest to power off. With `forceStop`, stops it after a time. @throws {ApiError} after that time. */
export async function shutdownVm(
  pve: Pve,
  vmid: number,
  options: Shutdown,
  task: TaskContext,
): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, () => shutDownLocked(pve, vmid, options, task))
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
export async function resetVm(pve: Pve, vmid: number, skiplock: boolean): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireUnlocked(vm, skiplock)
    const running = pve.live.get(vmid)?.guest
    if (running?.reset) return running.reset()
    const guest = await describeGuest(pve, vm)
    await pullPlug(pve, vmid)
    follow(pve, vmid, await boot(pve, guest))
  })
}
