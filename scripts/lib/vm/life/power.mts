/** Boots, shuts down and reboots VMs. The caller holds the VM's lock. */
import { setTimeout as sleep } from 'node:timers/promises'
import { requireOwnToken } from '../../credential/vm-token.mts'
import { findVmStatus } from '../../proxmox/get-vm-status.mts'
import { rebootVm } from '../../proxmox/reboot-vm.mts'
import { type ShutdownOptions, shutdownVm } from '../../proxmox/shutdown-vm.mts'
import { startVm } from '../../proxmox/start-vm.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { goDurationMs } from '../../run/duration.mts'
import { ProxmintError } from '../../run/errors.mts'
import { type Progress, say, withProgress } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { requireNoBarrier, requireNoLock } from '../look/barriers.mts'
import { lookInside } from '../look/first-boot.mts'
import { followVm, type LocatedVm, locateVm, recordNode, requireThere } from '../look/locate.mts'
import { verifyVm } from '../look/verify.mts'
import { converge } from '../stack/converge.mts'
import { SHUTDOWN_SECONDS } from '../stack/reshape.mts'
import { userDataOf } from '../stack/user-data.mts'
import { notingFailure } from './failure.mts'

/** What is to be off has its power cut after that time. */
const SUSPEND: ShutdownOptions = { seconds: SHUTDOWN_SECONDS, hard: true }

/** Starts a VM that ran before, whatever differs from its entry: that stays as it is. */
export async function resumeGuest(before: Entry, context: VmContext): Promise<void> {
  if (before.foreign) return startForeign(before, context)
  requireOwnToken(before)
  const goal = { started: true, intent: 'update', asItIs: true, step: 'resume' } as const
  const { entry } = await converge(before, goal, context)
  // It was looked into at its first boot.
  await withProgress(`verify ${entry.name}`, () => verifyAddress(entry, context))
  checkpoint('vm-resume-verified')
}

/**
 * Starts a VM that has another root disk. All else of it stays as it is.
 * @returns the entry with the node it is on.
 */
export async function startSystem(before: Entry, context: VmContext): Promise<Entry> {
  requireOwnToken(before)
  // It is off: what needs a reboot needs none.
  const goal = {
    started: true,
    intent: 'update',
    asItIs: true,
    allowed: new Set(['reboot'] as const),
  } as const
  return (await converge(before, { ...goal, step: 'resume' }, context)).entry
}

/** Compares a VM with another root disk with its entry. @param ranBefore its system is not new. */
export async function verifySystem(entry: Entry, ranBefore: boolean, context: VmContext): Promise<void> {
  await withProgress(`verify ${entry.name}`, progress => verify(entry, ranBefore, context, progress))
  checkpoint('vm-verified')
}

/** Starts a VM that proxmint did not make. Whether it has a guest agent is its owner's affair, so nobody waits for one. */
async function startForeign(entry: Entry, { connection, store }: VmContext): Promise<void> {
  const { vm } = await followVm(connection, entry)
  const there = requireThere(entry, vm)
  requireNoLock(entry.name, there)
  if (entry.stopped?.startsWithNode) await updateVmConfig(connection.client, there, { onboot: 1 })
  if (there.status !== 'running') await powerOn(connection, there)
  await recordNode(entry, there, store)
}

/** Locates the VM, reboots its guest, and compares what runs then with the entry. */
export async function rebootGuest(before: Entry, context: VmContext): Promise<void> {
  const { vm, entry } = await followVm(context.connection, before)
  if (vm === undefined) return
  await restarted(entry, vm, { seconds: SHUTDOWN_SECONDS, hard: false }, context)
}

/** Powers the VM off and on, so that what waits in Proxmox becomes active, and compares what runs then with the entry. */
export async function restarted(
  entry: Entry,
  vm: LocatedVm,
  options: ShutdownOptions,
  context: VmContext,
): Promise<void> {
  const { connection } = context
  await withProgress(`restart ${entry.name}`, async progress => {
    if (options.hard) {
      await waitUntilOff(connection, vm, options)
      await powerOn(connection, vm)
    } else {
      await waitForShutdown(connection, await rebootVm(connection.client, vm, options.seconds), options)
    }
    await verify(entry, true, context, progress)
  })
}

/** Starts a VM, and waits until it runs: the task of a highly available one only hands the order over. */
export async function powerOn(connection: Connection, vm: LocatedVm): Promise<void> {
  const { client, config } = connection
  await waitForTask(client, await startVm(client, vm), { timeoutMs: config.taskTimeoutSeconds * 1000 })
  if (vm.isHighlyAvailable) await waitForStatus(connection, vm, 'running', config.taskTimeoutSeconds)
}

/** Waits for the address as long as the site or the VM itself allows. */
export function verifyAddress(
  entry: Entry,
  { connection: { client, config }, signal }: VmContext,
): Promise<void> {
  const own = entry.design === null ? 0 : goDurationMs(entry.design.agentTimeout)
  return verifyVm(client, entry, Math.max(config.agentTimeoutSeconds * 1000, own), signal)
}

/** Compares the running VM with its entry, and finds out what cloud-init came to. */
export async function verify(
  entry: Entry,
  ranBefore: boolean,
  context: VmContext,
  progress: Progress,
): Promise<void> {
  const { client, site, config } = context.connection
  const { name, design } = entry
  // Nobody knows whether an imported VM has a guest agent.
  if (design === null) return
  await verifyAddress(entry, context)
  const userData = await userDataOf(site, entry, design)
  const endMs = config.firstBootTimeoutSeconds * 1000
  const looked = { client, entry, userData, ranBefore, endMs }
  const { unseen, warnings } = await lookInside(looked, progress, context.signal)
  if (unseen !== undefined) say(`${name}: what cloud-init came to is not known (${unseen})`)
  for (const warning of warnings) say(`warning: cloud-init of ${name}: ${warning}`)
}

/** Locates the VM of a suspended entry and powers it off. */
export async function powerOff(entry: Entry, context: VmContext): Promise<void> {
  await notingFailure(context.store, entry, 'suspend', async () =>
    shutDown(entry, await locateVm(context.connection, entry), context.connection),
  )
}

/**
 * Shuts a VM down and keeps a restart of its node from starting it again.
 * @param vm as it was just located; undefined if there is none any more: nothing is done.
 * @throws ProxmintError as `requireNoBarrier`.
 */
export async function shutDown(
  { name }: Entry,
  vm: LocatedVm | undefined,
  connection: Connection,
): Promise<void> {
  if (vm === undefined) return
  requireNoBarrier(name, vm)
  await keepOff(connection, vm, SUSPEND)
}

/** Keeps a restart of the node from starting the VM, and powers it off. */
export async function keepOff(
  connection: Connection,
  vm: LocatedVm,
  options: ShutdownOptions,
): Promise<void> {
  await updateVmConfig(connection.client, vm, { onboot: 0 })
  if (vm.status === 'stopped') return
  await waitUntilOff(connection, vm, options)
  checkpoint('vm-stopped')
}

/** Asks the guest to power off, and waits until the VM is off. @throws ProxmintError if it is not. */
export async function waitUntilOff(
  connection: Connection,
  vm: LocatedVm,
  options: ShutdownOptions,
): Promise<void> {
  await waitForShutdown(connection, await shutdownVm(connection.client, vm, options), options)
  if (!vm.isHighlyAvailable) return
  await waitForStatus(connection, vm, 'stopped', options.seconds + connection.config.taskTimeoutSeconds)
}

/** Waits for a shutdown or a reboot that gives the guest its time. */
async function waitForShutdown(
  { client, config }: Connection,
  upid: string,
  { seconds }: Pick<ShutdownOptions, 'seconds'>,
): Promise<void> {
  await waitForTask(client, upid, { timeoutMs: (seconds + config.taskTimeoutSeconds) * 1000 })
}

/** The manager of high availability works in rounds of 10 s, after the task that called for it. */
async function waitForStatus(
  { client }: Connection,
  vm: LocatedVm,
  wanted: LocatedVm['status'],
  seconds: number,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const status = await findVmStatus(client, vm)
    if (status === undefined || status.status === wanted) return
    if (Date.now() > deadline) throw notYet(vm, wanted, seconds)
    await sleep(1000)
  }
}

function notYet({ vmid, node }: LocatedVm, wanted: string, seconds: number): ProxmintError {
  return new ProxmintError(`VM ${vmid} was not ${wanted} ${seconds} s after Proxmox had taken the order`, {
    hint: `see its tasks on ${node} and Datacenter > HA in Proxmox, then run the command again`,
  })
}
