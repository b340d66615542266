/** Which backups would be kept, and the removal of the others (`prune_backups` in PVE/Storage.pm). */

import { rm } from 'node:fs/promises'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { TaskContext } from '../core/task.mts'
import { listFiles, type StoredFile } from './files.mts'
import { removeMarks } from './marks.mts'
import { storageOf } from './storages.mts'

/** How many backups to keep, by option: `keep-last`, `keep-daily`, ... */
export type Keep = Record<string, string>

interface PruneEntry {
  volid: string
  /** Seconds since the epoch. */
  ctime: number
  type: string
  vmid?: number
  mark?: 'keep' | 'remove' | 'protected' | 'renamed'
}

interface Wanted {
  storage: string
  keep: Keep
  vmid: number | undefined
  type: string | undefined
}

function isoWeek(date: Date): string {
  const thursday = new Date(date)
  thursday.setDate(date.getDate() + 4 - (date.getDay() || 7))
  const start = new Date(thursday.getFullYear(), 0, 1)
  const week = Math.ceil(((thursday.getTime() - start.getTime()) / 86_400_000 + 1) / 7)
  return `${thursday.getFullYear()}/${week}`
}

const day = (date: Date): string => `${date.getFullYear()}/${date.getMonth()}/${date.getDate()}`

/** Periods, the shortest first. An earlier option has taken what it covers. */
const PERIODS: readonly (readonly [option: string, periodOf: (date: Date) => string])[] = [
  ['keep-last', date => String(date.getTime())],
  ['keep-hourly', date => `${day(date)}/${date.getHours()}`],
  ['keep-daily', day],
  ['keep-weekly', isoWeek],
  ['keep-monthly', date => `${date.getFullYear()}/${date.getMonth()}`],
  ['keep-yearly', date => String(date.getFullYear())],
]

/** Marks the newest backup of each of the last `count` periods that have none yet. */
function markPeriod(entries: PruneEntry[], count: number, periodOf: (date: Date) => string): void {
  const of = ({ ctime }: PruneEntry): string => periodOf(new Date(ctime * 1000))
  const covered = new Set(entries.filter(({ mark }) => mark === 'keep').map(of))
  const taken = new Set<string>()
  for (const entry of entries) {
    if (entry.mark !== undefined || covered.has(of(entry))) continue
    if (taken.has(of(entry))) entry.mark = 'remove'
    else if (taken.size >= count) return
    else {
      taken.add(of(entry))
      entry.mark = 'keep'
    }
  }
}

/** Marks the backups of one guest. */
function markGroup(group: PruneEntry[], keep: Keep): void {
  const newest = group.toSorted((a, b) => b.ctime - a.ctime)
  const isLimited = PERIODS.some(([option]) => Number(keep[option]) > 0)
  if (isLimited && keep['keep-all'] !== '1')
    for (const [option, periodOf] of PERIODS)
      if (Number(keep[option]) > 0) markPeriod(newest, Number(keep[option]), periodOf)
  for (const entry of newest) entry.mark ??= isLimited && keep['keep-all'] !== '1' ? 'remove' : 'keep'
}

const STANDARD_NAME = /\/vzdump-(?:lxc|openvz|qemu)-\d+-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d\./

function entryOf({
  volid,
  ctime,
  subtype = 'unknown',
  vmid,
  protected: isProtected,
}: StoredFile): PruneEntry {
  const mark = isProtected ? 'protected' : STANDARD_NAME.test(volid) ? undefined : 'renamed'
  return { volid, ctime, type: subtype, ...(vmid !== undefined && { vmid }), ...(mark && { mark }) }
}

async function backupsOf(pve: Pve, { storage, vmid, type }: Wanted): Promise<StoredFile[]> {
  const config = storageOf(pve, storage)
  if (!config.content.includes('backup')) throw failure(`storage '${storage}' does not support backups`)
  const files = await listFiles(pve, storage)
  return files
    .filter(({ content }) => content === 'backup')
    .filter(file => vmid === undefined || file.vmid === vmid)
    .filter(file => type === undefined || file.subtype === type)
}

/** Lists the backups with what would become of each. @throws {ApiError} for a storage without backups. */
export async function plannedPrune(pve: Pve, wanted: Wanted): Promise<PruneEntry[]> {
  const entries = (await backupsOf(pve, wanted)).map(entryOf)
  const standard = entries.filter(({ volid }) => STANDARD_NAME.test(volid))
  const groups = Map.groupBy(standard, ({ type, vmid }) => `${type}/${vmid}`)
  for (const group of groups.values()) markGroup(group, wanted.keep)
  return entries
}

/** Removes the backups that are not kept. */
export async function prune(pve: Pve, wanted: Wanted, task: TaskContext): Promise<void> {
  const doomed = new Set(
    (await plannedPrune(pve, wanted)).filter(({ mark }) => mark === 'remove').map(({ volid }) => volid),
  )
  for (const { volid, path } of await backupsOf(pve, wanted)) {
    if (!doomed.has(volid)) continue
    task.log(`removing backup '${volid}'`)
    await rm(path, { force: true })
    await removeMarks(path)
  }
}
