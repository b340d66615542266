/** Brings destroyed VMs back from the backups that were made before. */
import { setTimeout as sleep } from 'node:timers/promises'
import { getBackupConfig } from '../../proxmox/backup-vm.mts'
import { createVm } from '../../proxmox/create-vm.mts'
import { findVmStatus } from '../../proxmox/get-vm-status.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { isExpired } from '../../registry/due.mts'
import type { Entry } from '../../registry/entry.mts'
import { requireQuota } from '../../registry/quota.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { withProgress } from '../../run/progress.mts'
import { requireClock } from '../../site/require-clock.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { lookAtVm, recordNode, requireOwnVm } from '../look/locate.mts'
import { unregisteredVms } from '../plan/unregistered-vms.mts'
import { converge } from '../stack/converge.mts'
import { takeUp } from '../stack/take-up.mts'
import { COPY_MS } from './backup.mts'
import { noteFailure, resumable } from './failure.mts'
import {
  isBackupOf,
  obstaclesTo,
  type Restorable,
  type RestoreWishes,
  restorableIn,
  restored,
  revived,
} from './restore-plan.mts'
import {
  alive,
  anothers,
  backupUnreadable,
  expiredMeanwhile,
  noBackup,
  obstructed,
} from './restore-refusals.mts'
import { setTokenExpiry } from './token.mts'

/**
 * Brings a destroyed VM back, powered off, under its name, address and VMID, or goes on with that where it stopped. The
 * entry is alive first; the VM has its state and its user-data before the entry says that it is back.
 * @throws ProxmintError where something stands in the way, with nothing touched; later, with what is kept.
 */
export async function restoreByName(
  name: string,
  wishes: RestoreWishes,
  unlocked: VmContext,
): Promise<Entry> {
  return withVmLock(unlocked, name, 'vm restore', async context => {
    const { store, issuer } = context
    const entry = await begun(name, wishes, context)
    checkpoint('vm-restore-decided')
    try {
      await bringBack(entry, wishes, context)
    } catch (error) {
      throw resumable(await noteFailure(store, entry, 'restore', error), error)
    }
    const back = await store.change(entry, one => restored(one, new Date()))
    await setTokenExpiry(back, issuer)
    return back
  })
}

/** The entry, alive again: as an earlier run left it, or from the archive. */
async function begun(name: string, wishes: RestoreWishes, context: VmContext): Promise<Entry> {
  const { store, connection } = context
  const living = await store.find(name)
  if (living?.restoring !== undefined) return living
  if (living !== undefined) throw alive(living)
  const archived = await store.listArchived()
  const gone = restorableIn(archived, name)
  if (gone === undefined) {
    const last = archived.findLast(one => one.name === name)
    throw last === undefined ? await requireEntry(store, name) : noBackup(last)
  }
  const now = await requireClock(connection)
  if (wishes.days === undefined && isExpired(gone, now())) throw expiredMeanwhile(gone)
  await requireNoObstacle(gone, wishes, context)
  const entry = revived(gone, await requireReadable(gone, context), wishes, now())
  await store.add([entry], [])
  return entry
}

/** @throws ProxmintError (usage) that lists what is taken by now, or if a quota would be exceeded. */
async function requireNoObstacle(gone: Restorable, wishes: RestoreWishes, context: VmContext): Promise<void> {
  const { vmid = gone.vmid } = wishes
  const entries = await context.store.list()
  const { quotas } = await context.connection.site.pools()
  if (quotas !== undefined) requireQuota(quotas, entries, [gone])
  const obstacles = obstaclesTo(gone, vmid, {
    entries,
    unknown: await unregisteredVms(context),
    isVmidFree: await isVmidFree(context.connection.client, vmid),
  })
  if (obstacles.length > 0) throw obstructed(gone, obstacles)
}

/** Reads the config in the backup. @throws ProxmintError if it cannot be read, or is another VM's. */
async function requireReadable(gone: Restorable, { connection }: VmContext): Promise<string> {
  const { node, volid } = gone.backup
  const text = await getBackupConfig(connection.client, node, volid).catch(error => {
    throw backupUnreadable(gone, error)
  })
  if (!isBackupOf(gone, text)) throw anothers(gone)
  return text
}

/** Each part may be done again. */
async function bringBack(entry: Entry, wishes: RestoreWishes, context: VmContext): Promise<void> {
  const { connection, store, signal } = context
  await waitWhileMade(entry, context)
  if ((await lookAtVm(connection, entry)).vm === undefined) {
    await withProgress(`restore ${entry.name}`, async progress => {
      const upid = await createVm(connection.client, entry.node!, restoreParameters(entry, wishes))
      await waitForTask(connection.client, upid, {
        timeoutMs: COPY_MS,
        signal,
        onLog: line => progress.update(line),
      })
    })
  }
  checkpoint('vm-restored')
  const sight = await lookAtVm(connection, entry)
  requireOwnVm(entry, sight)
  await recordNode(entry, sight.vm, store)
  if (entry.design === null) return
  await takeUp(entry.name, context)
  checkpoint('vm-restore-taken-up')
  // The user-data went with the VM, and its config still names it.
  await converge(entry, { started: false, intent: 'update', asItIs: true }, context)
}

/** The VM keeps its cards and ids, and is in its resource pool again. A restart of its node must not start it. */
function restoreParameters(
  { vmid, restoring, design }: Entry,
  { storage }: RestoreWishes,
): Record<string, string | number> {
  return {
    vmid,
    archive: restoring!,
    unique: 0,
    onboot: 0,
    ...(design?.resourcePool !== undefined && { pool: design.resourcePool }),
    ...(storage !== undefined && { storage }),
  }
}

/** Proxmox ends a restore also when the run that began it died. Before its end the VM has no name and no notes. */
async function waitWhileMade({ node, vmid }: Entry, { connection, signal }: VmContext): Promise<void> {
  const deadline = Date.now() + COPY_MS
  for (;;) {
    const status = await findVmStatus(connection.client, { node: node!, vmid })
    if (status?.lock !== 'create' || Date.now() > deadline || signal.aborted) return
    await sleep(1000)
  }
}
