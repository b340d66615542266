/** Powers VMs on and off at the wish of a person, so that registry and Proxmox agree afterwards. */
import { requireOwnToken } from '../../credential/vm-token.mts'
import { listPendingChanges, type PendingChange } from '../../proxmox/list-pending.mts'
import type { ShutdownOptions } from '../../proxmox/shutdown-vm.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import { isExpired } from '../../registry/due.mts'
import { type Entry, isToRun, notStopped, stoppedNow, withEvent } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { messageOf } from '../../run/errors.mts'
import { say, withProgress } from '../../run/progress.mts'
import { requireClock } from '../../site/require-clock.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNoLock, requireRestored } from '../look/barriers.mts'
import { followVm, type LocatedVm, locateVm, recordNode } from '../look/locate.mts'
import { noteFailure, notingFailure } from './failure.mts'
import { keepOff, powerOn, restarted, verifyAddress } from './power.mts'
import {
  betweenDisks,
  expiredBefore,
  isStopped,
  managedByHa,
  notReady,
  notRunning,
  notThere,
  runsOn,
} from './power-refusals.mts'

/** The result of work on the power of one VM. */
export interface Powered {
  entry: Entry
  /** `nothing`: it was so already. */
  did: 'started' | 'stopped' | 'restarted' | 'nothing'
  /** What waited in Proxmox, and is active now. */
  changes: PendingChange[]
}

/**
 * Powers an active VM off. That it is to be off is written down first. Where its guest does not power off in time, the VM
 * runs on, and the registry says so again.
 * @throws ProxmintError where the VM is not active, is locked, or runs on.
 */
export async function stopByName(
  name: string,
  options: ShutdownOptions,
  unlocked: VmContext,
): Promise<Powered> {
  return withVmLock(unlocked, name, 'vm stop', async context => {
    const { store } = context
    const { entry: found, vm } = await readyVm(name, 'stop', context)
    if (vm.isHighlyAvailable && vm.status === 'running' && !options.hard) throw managedByHa(found, options)
    if (found.stopped !== undefined && vm.status === 'stopped')
      return { entry: found, did: 'nothing', changes: [] }
    const { startsWithNode = false } = vm
    const entry =
      found.stopped !== undefined
        ? found
        : await store.change(found, one => stoppedNow(one, { startsWithNode }, new Date()))
    checkpoint('vm-stop-decided')
    await withProgress(`stop ${name}`, () =>
      keepOff(context.connection, vm, options).catch(error =>
        afterFailedStop(entry, options, error, context),
      ),
    )
    return { entry: await clearedOf('stop', entry, context), did: 'stopped', changes: [] }
  })
}

/** Takes the order back if the VM runs on. @throws ProxmintError unless the VM is off all the same, and stays so. */
async function afterFailedStop(
  entry: Entry,
  options: ShutdownOptions,
  error: unknown,
  { store, connection }: VmContext,
): Promise<void> {
  const vm = await locateVm(connection, entry).catch(() => undefined)
  if (vm?.status === 'stopped' && !vm.startsWithNode) return
  if (vm?.status !== 'running') {
    await noteFailure(store, entry, 'stop', error)
    throw error
  }
  await startWithNode(entry, vm, connection)
  const why = `not stopped, it runs on: ${messageOf(error).split('\n')[0]}`
  await store.change(entry, one => withEvent(notStopped(one), why, new Date()))
  throw runsOn(entry, options, error)
}

/** Gives a stopped VM back that a restart of its node starts it: as it was, unless something else was decided. */
async function startWithNode(
  { stopped, design }: Entry,
  vm: LocatedVm,
  { client }: VmContext['connection'],
): Promise<void> {
  if (stopped !== undefined && (design?.onBoot ?? stopped.startsWithNode))
    await updateVmConfig(client, vm, { onboot: 1 })
}

/**
 * Powers an active VM on that was stopped, or whose guest powered itself off. What differs from its entry stays.
 * @throws ProxmintError where the VM is not active, is locked or expired, or does not answer after its start.
 */
export async function startByName(name: string, unlocked: VmContext): Promise<Powered> {
  return withVmLock(unlocked, name, 'vm start', async context => {
    const { store, connection } = context
    const { before, entry: found, vm } = await readyVm(name, 'start', context)
    if (found.rebuild !== undefined && !found.rebuild.swapped) throw betweenDisks(found)
    if (isExpired(found, (await requireClock(connection))())) throw expiredBefore(found)
    requireOwnToken(found)
    const isOn = vm.status === 'running'
    await notingFailure(store, before, 'start', async () => {
      await startWithNode(found, vm, connection)
      if (!isOn) await withProgress(`start ${name}`, () => powerOn(connection, vm))
    })
    checkpoint('vm-started')
    await recordNode(before, vm, store)
    if (found.stopped !== undefined || !isOn)
      await store.change(before, one => withEvent(notStopped(one), 'started', new Date()))
    await verifyIfOurs(found, 'start', context)
    const entry = await requireEntry(store, name)
    return { entry, did: isOn && found.stopped === undefined ? 'nothing' : 'started', changes: [] }
  })
}

/** Nobody knows whether an imported VM has a guest agent. */
async function verifyIfOurs(entry: Entry, step: string, context: VmContext): Promise<void> {
  if (entry.design === null) return
  await notingFailure(context.store, entry, step, () =>
    withProgress(`verify ${entry.name}`, () => verifyAddress(entry, context)),
  )
}

/**
 * Powers a running VM off and on. What waits in Proxmox for its next start becomes active.
 * @throws ProxmintError where the VM does not run, is locked, or runs on as it was.
 */
export async function restartByName(
  name: string,
  options: ShutdownOptions,
  unlocked: VmContext,
): Promise<Powered> {
  return withVmLock(unlocked, name, 'vm restart', async context => {
    const { store, connection } = context
    const { before, entry: found, vm } = await readyVm(name, 'restart', context)
    if (!isToRun(found)) throw isStopped(found)
    if (vm.status !== 'running') throw notRunning(found)
    const changes = await listPendingChanges(connection.client, vm)
    if (changes.length > 0) say(`${name}: becomes active by the restart: ${pendingText(changes)}`)
    await notingFailure(store, before, 'restart', () => restarted(found, vm, options, context))
    await recordNode(before, vm, store)
    const entry = await store.change(before, one => withEvent(one, 'restarted', new Date()))
    return { entry, did: 'restarted', changes }
  })
}

/** Formats what waits in Proxmox: `memory 2048 -> 4096`. */
export function pendingText(changes: PendingChange[]): string {
  return changes.map(({ key, from, to }) => `${key} ${from} -> ${to}`).join(', ')
}

/** An active VM that Proxmox does not work on, wherever it is now. `before`: its entry as it was read. */
async function readyVm(
  name: string,
  verb: 'start' | 'stop' | 'restart',
  { store, connection }: VmContext,
): Promise<{ before: Entry; entry: Entry; vm: LocatedVm }> {
  const before = await requireEntry(store, name)
  requireRestored(before)
  if (before.phase !== 'active') throw notReady(before, verb)
  const { vm, entry } = await followVm(connection, before)
  if (vm === undefined) throw notThere(before)
  requireNoLock(name, vm)
  return { before, entry, vm }
}

/** Entry without the failure of a step that has succeeded now. */
async function clearedOf(step: string, entry: Entry, { store }: VmContext): Promise<Entry> {
  if (entry.failure?.step !== step) return entry
  return store.change(entry, one => ({ ...one, failure: null }))
}
