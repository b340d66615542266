/** Removes backups of destroyed VMs whose time is over. Backups of others stay: ours have the id of the entry in their notes. */

import { deleteVolume } from '../../proxmox/delete-volume.mts'
import { listNodes } from '../../proxmox/list-nodes.mts'
import { listVolumes, type Volume } from '../../proxmox/list-volumes.mts'
import { storageOf } from '../../proxmox/property-string.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { unprotectVolume } from '../../proxmox/unprotect-volume.mts'
import type { Entry } from '../../registry/entry.mts'
import { entryMark } from '../../registry/identity.mts'
import { DAY_MS } from '../../run/duration.mts'
import { messageOf } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { safetyOf } from './backup.mts'

/** A backup that is due to be removed. */
export interface OldBackup {
  entry: Entry
  node: string
  storage: string
  volid: string
}

/** An entry with the place of its backups. */
interface BackedUp {
  entry: Entry
  node: string
  storage: string
  keepMs: number
}

/** Lists the backups that are older than their VM's `backup_keep_days`. A storage is asked only if a backup may be due. */
export async function oldBackups(now: Date, { store, connection }: VmContext): Promise<OldBackup[]> {
  const defaults = await connection.site.vmDefaults()
  const all = [...(await store.list()), ...(await store.listArchived())]
  const backedUp = all.flatMap((entry): BackedUp[] => {
    if (entry.backup === undefined) return []
    const { volid, node } = entry.backup
    const keepMs = safetyOf(entry, defaults).keepDays * DAY_MS
    return [{ entry, node, storage: storageOf(volid), keepMs }]
  })
  const due = backedUp.filter(({ entry, keepMs }) => Date.parse(entry.backup!.at) + keepMs <= now.getTime())
  const groups = Map.groupBy(due, ({ node, storage }) => JSON.stringify([node, storage]))
  const found: OldBackup[] = []
  for (const group of groups.values()) found.push(...(await oldAmong(group, now, connection)))
  return found
}

async function oldAmong(
  group: BackedUp[],
  now: Date,
  { client, credentials }: Connection,
): Promise<OldBackup[]> {
  const [{ node: before, storage }] = group as [BackedUp]
  try {
    const members = (await listNodes(client)).map(one => one.node)
    // A shared storage outlives its node.
    const node = members.includes(before) ? before : credentials.node
    const volumes = await listVolumes(client, { node, storage }, 'backup')
    return volumesDue(volumes, group, now).map(({ entry, volid }) => ({ entry, node, storage, volid }))
  } catch (error) {
    say(`warning: the backups on ${storage} cannot be listed: ${messageOf(error)}`)
    return []
  }
}

/** Chooses the volumes that carry the id of one of the entries and are old enough. Pure. */
function volumesDue(
  volumes: Volume[],
  backedUp: Pick<BackedUp, 'entry' | 'keepMs'>[],
  now: Date,
): { entry: Entry; volid: string }[] {
  return volumes.flatMap(({ volid, notes = '', ctime }) => {
    const known = backedUp.find(({ entry }) => notes.includes(entryMark(entry.id)))
    const isOld = ctime !== undefined && known !== undefined && ctime * 1000 + known.keepMs <= now.getTime()
    return isOld && known.entry.restoring !== volid ? [{ entry: known.entry, volid }] : []
  })
}

/** Removes one. The caller holds the lock of its VM's name. @returns false if it is needed by now, or gone. */
export async function removeOldBackup(
  { entry, node, storage, volid }: OldBackup,
  { store, connection }: VmContext,
): Promise<boolean> {
  const { client, config } = connection
  if ((await store.find(entry.name))?.restoring === volid) return false
  const volumes = await listVolumes(client, { node, storage }, 'backup')
  const volume = volumes.find(one => one.volid === volid)
  if (!volume?.notes?.includes(entryMark(entry.id))) return false
  if (Number(volume.protected ?? 0) === 1) await unprotectVolume(client, { node, storage }, volid)
  const upid = await deleteVolume(client, { node, storage }, volid)
  if (upid !== null) await waitForTask(client, upid, { timeoutMs: config.taskTimeoutSeconds * 1000 })
  return true
}
