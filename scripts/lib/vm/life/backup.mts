/** Backs up VMs before they are destroyed. The caller holds the VM's lock. */
import type { VmDefaults } from '../../config/vm-defaults.mts'
import { backUpVm } from '../../proxmox/backup-vm.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { listVolumes } from '../../proxmox/list-volumes.mts'
import { propertiesOf, volumeOf } from '../../proxmox/property-string.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { type BackupRecord, type Entry, type Safety, wasActive, withEvent } from '../../registry/entry.mts'
import { entryMark } from '../../registry/identity.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { DAY_MS } from '../../run/duration.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import { say, withProgress } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { type LocatedVm, locateVm } from '../look/locate.mts'
import { isDisk, slotsOf } from '../look/parts.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import { SHUTDOWN_SECONDS } from '../stack/reshape.mts'
import { powerOn, waitUntilOff } from './power.mts'

/** Longest wait for a backup or a restore. */
export const COPY_MS = DAY_MS

/** What is done about a VM before it is destroyed. */
interface SafetyRule {
  safety: Safety
  storage: string
  /** Days until `gc` removes the backup. */
  keepDays: number
}

/** Takes what was decided for the VM, or else what config/vm.yaml says today. @param said what a person says now. */
export function safetyOf({ design }: Pick<Entry, 'design'>, defaults: VmDefaults, said?: Safety): SafetyRule {
  return {
    safety: said ?? design?.safety ?? defaults.safety ?? 'none',
    storage: design?.backupStorage ?? defaults.backupStorage ?? 'local',
    keepDays: design?.backupKeepDays ?? defaults.backupKeepDays ?? 30,
  }
}

/**
 * Makes a backup of a VM that ran and is to be destroyed, if that is set. The VM is powered off first: what it wrote
 * during the backup would be lost. The volume is in the registry before this returns.
 * @throws ProxmintError where there is no backup afterwards; a VM that ran runs again then.
 */
export async function backUpFirst(
  entry: Entry,
  vm: LocatedVm | undefined,
  context: VmContext,
): Promise<Entry> {
  // What is being restored is on the storage already.
  if (vm === undefined || entry.restoring !== undefined || !wasUsed(entry)) return entry
  const rule = safetyOf(entry, await context.connection.site.vmDefaults(), context.safety)
  if (rule.safety === 'none') return entry
  const config = await getVmConfig(context.connection.client, vm)
  requireRootDisk(entry, config)
  for (const slot of slotsLeftOut(config))
    say(`warning: disk ${slot} of ${entry.name} has backup=0: it is in no backup, and goes with the VM`)
  const backup = await withProgress(`back up ${entry.name}`, progress =>
    backUpOff(entry, vm, rule, context, line => progress.update(line)),
  )
  checkpoint('vm-backup-made')
  const backedUp = await context.store.change(entry, one =>
    withEvent({ ...one, backup }, `backed up as ${backup.volid}`, new Date()),
  )
  checkpoint('vm-backed-up')
  return backedUp
}

/** A backup has no disk that is not attached. @throws ProxmintError (invalid) for a VM between two root disks. */
function requireRootDisk({ name, rebuild }: Entry, config: VmConfig): void {
  if (rebuild === undefined || rebuild.swapped) return
  const volume = volumeOf(rebuild.disk)
  if (volumeOf(String(config[ROOT_DISK] ?? '')) === volume) return
  throw new ProxmintError(
    `${name} is not destroyed: its ${rebuild.kind} is not finished, and a backup would not have its root disk ${volume}`,
    {
      hint:
        `first zx scripts/apply.mts ${name}; or, to have the system of before: zx scripts/vm.mts rebuild ${name} --undo; ` +
        `to destroy it without a backup: zx scripts/vm.mts destroy ${name} --safety none`,
      exitCode: exitCodes.invalid,
    },
  )
}

/** Lists the disks that no backup has, because somebody said so. Pure. */
export function slotsLeftOut(config: VmConfig): string[] {
  return slotsOf(config).filter(slot => {
    const value = String(config[slot])
    return isDisk({ slot, value }) && propertiesOf(value, 'file').get('backup') === '0'
  })
}

/** An imported VM has no history of its own. */
function wasUsed(entry: Entry): boolean {
  return wasActive(entry) || entry.phase === 'active' || entry.phase === 'suspended'
}

async function backUpOff(
  entry: Entry,
  vm: LocatedVm,
  { storage }: SafetyRule,
  { connection, signal }: VmContext,
  onLog: (line: string) => void,
): Promise<BackupRecord> {
  try {
    if (vm.status === 'running') await waitUntilOff(connection, vm, { seconds: SHUTDOWN_SECONDS, hard: true })
    const before = new Set((await backupsOf(entry, vm, storage, connection)).map(({ volid }) => volid))
    const notes = `Made by proxmint before ${entry.name} was destroyed. ${entryMark(entry.id)}`
    const upid = await backUpVm(connection.client, vm, { storage, notes })
    await waitForTask(connection.client, upid, { timeoutMs: COPY_MS, signal, onLog })
    const made = (await backupsOf(entry, vm, storage, connection)).find(({ volid }) => !before.has(volid))
    if (made === undefined) throw notFound(storage)
    return { volid: made.volid, node: vm.node, at: new Date().toISOString() }
  } catch (error) {
    // Proxmox works on a backup that was interrupted here.
    if (!signal.aborted && vm.status === 'running') await runAgain(entry, connection)
    throw notBackedUp(entry, storage, error)
  }
}

/** Backups on a storage whose notes have the id of the entry. */
async function backupsOf(
  { id }: Entry,
  { node }: LocatedVm,
  storage: string,
  { client }: Connection,
): Promise<{ volid: string }[]> {
  const volumes = await listVolumes(client, { node, storage }, 'backup')
  return volumes.filter(({ notes = '' }) => notes.includes(entryMark(id)))
}

/** Starts a VM again that was powered off for a backup. */
async function runAgain(entry: Entry, connection: Connection): Promise<void> {
  try {
    const vm = await locateVm(connection, entry)
    if (vm?.status === 'stopped') await powerOn(connection, vm)
  } catch (error) {
    say(`warning: ${entry.name} was powered off for its backup, and does not start: ${messageOf(error)}`)
  }
}

function notFound(storage: string): ProxmintError {
  return new ProxmintError(
    `the task ended well, and ${storage} lists no new backup with the id of the entry`,
    {
      hint: 'the API token needs VM.Backup on the VM and Datastore.AllocateSpace on the storage to see it',
    },
  )
}

function notBackedUp({ name }: Entry, storage: string, cause: unknown): ProxmintError {
  const known = cause instanceof ProxmintError ? cause : undefined
  return new ProxmintError(`${name} is not destroyed: its backup on ${storage} failed: ${messageOf(cause)}`, {
    facts: { ...known?.facts },
    hint:
      `mend that, or name another \`backup_storage\` in config/vm.yaml, and run the command again; to destroy it without a ` +
      `backup: zx scripts/vm.mts destroy ${name} --safety none`,
    cause,
    ...(known !== undefined && { exitCode: known.exitCode }),
  })
}
