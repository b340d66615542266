/** Backs up VMs (PVE/VZDump.pm, PVE/VZDump/QemuServer.pm). */

import { mkdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ApiError, failure, textOf } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { PRUNE_FORMAT } from '../storage/config-schema.mts'
import { listFiles, requireFolder } from '../storage/files.mts'
import { mark } from '../storage/marks.mts'
import { type Keep, prune } from '../storage/prune.mts'
import { parseVolumeId, storageOf } from '../storage/storages.mts'
import { volumeOf } from '../storage/volumes.mts'
import { archiveExtension, diskFile, pack } from './backup-archive.mts'
import { backupText } from './conf-file.mts'
import { type Drive, drivesOf, isCdrom } from './drive.mts'
import { freezeFileSystems } from './guest-file-systems.mts'
import { isToRunByHa } from './ha-power.mts'
import { shutdownVm, startVm } from './power.mts'
import { pauseVm, resumeVm } from './run-state.mts'
import { lockedVm } from './snapshot-parts.mts'
import { isPaused, isRunning, requireUnlocked } from './vm.mts'

export interface Backup {
  vmids: number[]
  storage: string
  mode: 'snapshot' | 'suspend' | 'stop'
  /** `0`, `1`, `gzip`, `lzo` or `zstd`. */
  compress: string
  /** Notes for the backup, with `{{guestname}}` and other variables. */
  notesTemplate: string | undefined
  protected: boolean
  /** Minutes for a guest to power off in mode `stop`. */
  stopMinutes: number
  /** How many backups of each VM to keep. Undefined: what the storage says, or all. */
  keep: Keep | undefined
  /** True: removes those that are not kept. */
  remove: boolean
  /** Whether the caller may have any number of protected backups of a VM; otherwise 5, unless the storage says. */
  mayProtectMany: boolean
}

/** Name of the snapshots of single disks that exist while a backup reads them. */
const SNAPSHOT = '__backup__'

interface Run {
  pve: Pve
  backup: Backup
  vmid: number
  task: TaskContext
}

function info({ task }: Pick<Run, 'task'>, line: string): void {
  task.log(`INFO: ${line}`)
}

/** Lists the drives to keep. A drive can ask to be left out. */
function includedDrives(run: Run, config: VmConfig): [slot: string, drive: Drive][] {
  return drivesOf(config).filter(([slot, drive]) => {
    if (isCdrom(drive)) return false
    const left = drive.options['backup'] === '0'
    const unused = slot === 'efidisk0' && config['bios'] !== 'ovmf'
    const reason = left ? 'backup=no' : 'efidisk but no OVMF BIOS'
    info(
      run,
      left || unused
        ? `exclude disk '${slot}' '${drive.file}' (${reason})`
        : `include disk '${slot}' '${drive.file}' ${drive.options['size'] ?? ''}`.trimEnd(),
    )
    return !left && !unused
  })
}

/** Writes where each disk came from, for the restore. */
function mapText(pve: Pve, drives: [slot: string, drive: Drive][]): string {
  return drives
    .map(
      ([slot, { file }]) =>
        `#qmdump#map:${slot}:drive-${slot}:${file.split(':')[0]}:${volumeOf(pve, file).format}:\n`,
    )
    .join('')
}

/** Stops or halts a running guest as the mode wants. @returns how to let it go on. */
async function quieten({ pve, backup, vmid, task }: Run): Promise<() => Promise<void>> {
  if (backup.mode === 'snapshot' || isPaused(pve, vmid)) return async () => {}
  if (backup.mode === 'suspend') {
    info({ task }, 'suspending guest')
    await pauseVm(pve, vmid, true)
    return async () => {
      info({ task }, 'resume vm')
      await resumeVm(pve, vmid, true)
    }
  }
  info({ task }, 'stopping virtual guest')
  const seconds = backup.stopMinutes * 60
  await shutdownVm(pve, vmid, { forceStop: false, seconds, skiplock: true }, task)
  return async () => {
    info({ task }, 'restarting vm')
    await startVm(pve, vmid, task, { skiplock: true })
  }
}

/** Copies the disks of a running guest as they are at one moment; those of a stopped one as they are. */
async function exportDisks(run: Run, drives: [slot: string, drive: Drive][], folder: string): Promise<void> {
  const { pve, vmid, task } = run
  const paths = drives.map(([slot, { file }]) => [slot, volumeOf(pve, file).path] as const)
  const live = isRunning(pve, vmid) && !isPaused(pve, vmid)
  try {
    if (live)
      await freezeFileSystems(pve, vmid, task, async () => {
        for (const [, path] of paths) await pve.driver.snapshotDisk(path, SNAPSHOT)
      })
    for (const [slot, path] of paths)
      await pve.driver.exportDisk(path, diskFile(folder, slot), live ? SNAPSHOT : undefined)
  } finally {
    if (live) for (const [, path] of paths) await pve.driver.deleteSnapshot(path, SNAPSHOT)
  }
}

/** Returns the time as the names of backups have it. */
function stampOf(now: number): string {
  return new Date(now)
    .toISOString()
    .slice(0, 19)
    .replace('T', '-')
    .replaceAll(/[:]/g, '_')
    .replace(/^(\d+)-(\d+)-(\d+)/, '$1_$2_$3')
}

function notesOf({ pve, vmid }: Run, template: string, config: VmConfig): string {
  const values: Record<string, string> = {
    cluster: 'standalone node',
    guestname: config['name'] ?? `VM ${vmid}`,
    node: pve.node,
    vmid: String(vmid),
  }
  return template
    .replace(/\{\{([^}]+)\}\}/g, (whole, name: string) => values[name] ?? whole)
    .replaceAll('\\n', '\n')
    .replaceAll('\\\\', '\\')
}

/** Writes the archive and what belongs to it. */
async function archive(run: Run, vm: Vm, target: string): Promise<void> {
  const { pve, backup, vmid } = run
  const drives = includedDrives(run, vm.config)
  const folder = join(pve.dataDir, 'uploads', `vzdumptmp_${vmid}_${basename(target)}`)
  await mkdir(folder, { recursive: true })
  try {
    await exportDisks(run, drives, folder)
    if (Object.keys(vm.snapshots ?? {}).length > 0) info(run, 'snapshots found (not included into backup)')
    if (Object.keys(vm.pending).length > 0)
      info(run, 'pending configuration changes found (not included into backup)')
    info(run, `creating vzdump archive '${target}'`)
    await pack(folder, backupText(vm.config) + mapText(pve, drives), target)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  info(run, `archive file size: ${Math.floor((await stat(target)).size / 1024 ** 2)}MB`)
  const id = parseVolumeId(`${backup.storage}:backup/${basename(target)}`)!
  const notes = backup.notesTemplate && notesOf(run, backup.notesTemplate, vm.config)
  await mark(pve, id, { notes: notes || undefined, protected: backup.protected || undefined })
}

function keepOf({ pve, backup }: Pick<Run, 'pve' | 'backup'>): Keep {
  const rules = storageOf(pve, backup.storage).properties?.['prune-backups']
  return backup.keep ?? (rules === undefined ? {} : parsePropertyString(PRUNE_FORMAT, rules))
}

/** Checks the number of backups that a VM may have (`exec_backup_task` in PVE/VZDump.pm). @throws {ApiError} */
async function requireRoom(run: Run): Promise<void> {
  const { pve, backup, vmid } = run
  const { storage } = backup
  const keep = keepOf(run)
  const limit =
    keep['keep-all'] === '1' ? 0 : Object.values(keep).reduce((sum, count) => sum + Number(count), 0)
  if (!backup.protected && (limit === 0 || backup.remove)) return
  const files = await listFiles(pve, storage)
  const own = files.filter(file => file.content === 'backup' && file.vmid === vmid && file.subtype === 'qemu')
  const isProtected = own.filter(file => file.protected).length
  const most = Number(
    storageOf(pve, storage).properties?.['max-protected-backups'] ?? (backup.mayProtectMany ? -1 : 5),
  )
  if (backup.protected && most > -1 && isProtected >= most)
    throw failure(`The number of protected backups per guest is limited to ${most} on storage '${storage}'`)
  if (!backup.protected && own.length - isProtected >= limit)
    throw failure(
      `There is a max backup limit of ${limit} enforced by the target storage or the vzdump parameters. Either increase the limit or delete old backups.`,
    )
}

/** Removes older backups of the VM that the rules do not keep. */
async function pruneOlder(run: Run): Promise<void> {
  const { pve, backup, vmid, task } = run
  const { storage } = backup
  const keep = keepOf(run)
  const shown = Object.entries(keep).map(([option, count]) => `${option}=${count}`)
  info({ task }, `prune older backups with retention: ${shown.sort().join(', ') || 'keep-all=1'}`)
  await prune(pve, { storage, keep, vmid, type: 'qemu' }, task)
}

/** Backs up one VM. Its config is locked meanwhile. */
async function backUpLocked(run: Run): Promise<void> {
  const { pve, backup, vmid } = run
  const found = pve.store.state.vms[vmid]
  if (found?.node !== pve.node) throw failure(`unable to find VM '${vmid}'`)
  if (backup.mode === 'stop' && isToRunByHa(pve, vmid))
    throw failure(
      'Cannot execute a backup with stop mode on a HA managed and enabled Service. Use snapshot mode or disable the Service.',
    )
  const folder = await requireFolder(pve, backup.storage, 'backup')
  await requireRoom(run)
  const name = `vzdump-qemu-${vmid}-${stampOf(pve.now())}${archiveExtension(backup.compress)}`
  info(run, `Starting Backup of VM ${vmid} (qemu)`)
  const running = isRunning(pve, vmid)
  info(run, `status = ${running ? 'running' : 'stopped'}`)
  await lockedVm(pve, vmid, async vm => {
    requireUnlocked(vm)
    vm.config['lock'] = 'backup'
  })
  try {
    info(run, `backup mode: ${running ? backup.mode : 'stop'}`)
    const goOn = running ? await quieten(run) : undefined
    try {
      await pve.pause(DURATIONS.moveDisk)
      await archive(run, found, join(folder, name))
      if (backup.remove) await pruneOlder(run)
    } finally {
      await goOn?.()
    }
  } finally {
    delete found.config['lock']
  }
}

/** @returns true if it succeeded. The log has the reason if not. */
async function tryBackup(run: Run): Promise<boolean> {
  try {
    await backUpLocked(run)
    info(run, `Finished Backup of VM ${run.vmid} (00:00:00)`)
    return true
  } catch (error) {
    run.task.log(`ERROR: Backup of VM ${run.vmid} failed - ${textOf(error)}`)
    return false
  }
}

/** Checks the storage for backups. @throws {ApiError} */
function requireForBackups(pve: Pve, id: string): void {
  try {
    if (!storageOf(pve, id).content.includes('backup'))
      throw failure(`can't use storage '${id}' for backups - wrong content type`)
  } catch (error) {
    if (error instanceof ApiError)
      throw failure(`could not get storage information for '${id}': ${error.message}`)
    throw error
  }
}

/** Backs up VMs one after the other. Called in a worker. @throws {ApiError} at the end if one of them failed. */
export async function backUpVms(pve: Pve, caller: Caller, backup: Backup, task: TaskContext): Promise<void> {
  requireForBackups(pve, backup.storage)
  let faults = 0
  for (const vmid of backup.vmids.toSorted((a, b) => a - b)) {
    if (pve.store.state.vms[vmid] !== undefined) requireAll(caller, `/vms/${vmid}`, 'VM.Backup')
    if (!(await tryBackup({ pve, backup, vmid, task }))) faults += 1
  }
  info({ task }, `Backup job finished ${faults === 0 ? 'successfully' : 'with errors'}`)
  if (faults > 0) throw failure('job errors')
}
