/** Boots, shuts down and reboots VMs. The caller holds the VM's lock. */
import { requireOwnToken } from '../../credential/vm-token.mts'
import { rebootVm } from '../../proxmox/reboot-vm.mts'
import { shutdownVm } from '../../proxmox/shutdown-vm.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { goDurationMs } from '../../run/duration.mts'
import { type Progress, say, withProgress } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { requireNoBarrier } from '../look/barriers.mts'
import { lookInside } from '../look/first-boot.mts'
import { followVm, type LocatedVm, locateVm } from '../look/locate.mts'
import { verifyVm } from '../look/verify.mts'
import { converge } from '../stack/converge.mts'
import { userDataOf } from '../stack/user-data.mts'
import { notingFailure } from './failure.mts'

/** A guest has this long to shut down before the VM is stopped. */
const SHUTDOWN_SECONDS = 120

/** Starts a VM that ran before, whatever differs from its entry: that stays as it is. */
export async function resumeGuest(before: Entry, context: VmContext): Promise<void> {
  requireOwnToken(before)
  const goal = { started: true, intent: 'update', asItIs: true, step: 'resume' } as const
  const { entry } = await converge(before, goal, context)
  // It was looked into at its first boot.
  await withProgress(`verify ${entry.name}`, () => verifyAddress(entry, context))
  checkpoint('vm-resume-verified')
}

/** Locates the VM, reboots its guest, and compares what runs then with the entry. */
export async function rebootGuest(before: Entry, context: VmContext): Promise<void> {
  const { vm, entry } = await followVm(context.connection, before)
  if (vm === undefined) return
  await withProgress(`reboot ${entry.name}`, async progress => {
    await waitForShutdown(context.connection, await rebootVm(context.connection.client, vm, SHUTDOWN_SECONDS))
    await verify(entry, true, context, progress)
  })
}

/** Waits for the address as long as the site or the VM itself allows. */
function verifyAddress(entry: Entry, { connection: { client, config }, signal }: VmContext): Promise<void> {
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
  await verifyAddress(entry, context)
  if (design === null) return
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
  const { client } = connection
  await updateVmConfig(client, vm, { onboot: 0 })
  if (vm.status === 'stopped') return
  await waitForShutdown(connection, await shutdownVm(client, vm, SHUTDOWN_SECONDS))
  checkpoint('vm-stopped')
}

/** Waits for a shutdown or a reboot that gives the guest its time. */
async function waitForShutdown({ client, config }: Connection, upid: string): Promise<void> {
  await waitForTask(client, upid, { timeoutMs: (SHUTDOWN_SECONDS + config.taskTimeoutSeconds) * 1000 })
}
