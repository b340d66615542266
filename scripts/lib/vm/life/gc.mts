import type { ProxmoxClient } from '../../proxmox/client.mts'
import { describeVms, listVmPlaces } from '../../proxmox/list-vms.mts'
import { type Due, dueFor, expiryDay, isToBeOff, nextDue, SOON_MS } from '../../registry/due.mts'
import type { Entry } from '../../registry/entry.mts'
import { isPreviousDue } from '../../registry/rebuild.mts'
import { DAY_MS } from '../../run/duration.mts'
import { exitCodes, messageOf } from '../../run/errors.mts'
import { withRow } from '../../run/progress.mts'
import { formatTable } from '../../run/table.mts'
import { requireClock } from '../../site/require-clock.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNobodyUses } from '../look/unused.mts'
import { expirePrevious } from '../rebuild/previous.mts'
import { removeVm } from './destroy.mts'
import { suspendVm } from './expiry.mts'
import { type OldBackup, oldBackups, removeOldBackup } from './old-backups.mts'
import { powerOff } from './power.mts'

/** The lock of a whole run; no VM can have this name. */
const RUN_LOCK = '_gc'

interface GcOptions {
  execute: boolean
  graceDays: number
  /** Called anew for each VM. */
  now: () => Date
}

/**
 * Opens the options of a run, with Proxmox's clock.
 * @param graceDays default: those of config/db.yaml.
 * @throws ProxmintError as `requireClock`.
 */
export async function gcOptions(
  { connection }: VmContext,
  execute: boolean,
  graceDays: number | undefined,
): Promise<GcOptions> {
  return {
    execute,
    graceDays: graceDays ?? (await connection.site.pools()).graceDays,
    now: await requireClock(connection),
  }
}

/** The action that is due for one VM, and its result. */
export interface GcOutcome {
  name: string
  vmid: number
  address: string
  /** ISO 8601; null: never. */
  expiresAt: string | null
  due: Due | 'remove backup'
  /** `due`: nothing was changed, or the run was interrupted before; `gone`: another run destroyed it meanwhile. */
  result: 'due' | 'done' | 'renewed' | 'gone' | 'failed'
  /** The reason of the failure. */
  error: string | undefined
  /** Volume id of the backup that is due to be removed. */
  backup?: string
}

/**
 * Suspends expired VMs, destroys those that have been suspended for longer than the grace, and deletes root disks that a
 * rebuild kept for longer than was said. Only one run at a time.
 * The others are done also where one VM fails.
 * @returns an outcome for each VM that something is due for; without `execute` nothing is changed.
 */
export async function collectGarbage(options: GcOptions, unlocked: VmContext): Promise<GcOutcome[]> {
  const work = async (context: VmContext): Promise<GcOutcome[]> => {
    const candidates = await candidatesOf(options, context)
    const backups = (await oldBackups(options.now(), context)).map(
      one => [backupCandidate(one), one] as const,
    )
    if (!options.execute) return [...candidates, ...backups.map(([candidate]) => candidate)]
    const outcomes: GcOutcome[] = []
    for (const candidate of candidates) {
      outcomes.push(context.signal.aborted ? candidate : await collect(candidate, options, context))
    }
    for (const [candidate, backup] of backups) {
      outcomes.push(context.signal.aborted ? candidate : await forgetBackup(candidate, backup, context))
    }
    return outcomes
  }
  return options.execute ? withVmLock(unlocked, RUN_LOCK, 'gc', work) : work(unlocked)
}

/** The exit code of `gc --execute`: interrupted where that left something undone, whatever else failed. */
export function gcExitCode(outcomes: GcOutcome[], signal: AbortSignal): number {
  const [failed, due] = (['failed', 'due'] as const).map(one => outcomes.some(({ result }) => result === one))
  if (due || (failed && signal.aborted)) return exitCodes.interrupted
  return failed ? exitCodes.partial : exitCodes.done
}

/** A VM that something is due for. */
type Candidate = GcOutcome & { due: Due }

async function candidatesOf(options: GcOptions, { store, connection }: VmContext): Promise<Candidate[]> {
  const entries = await store.list()
  const running = await runningAmong(entries.filter(isToBeOff), connection.client)
  return entries.flatMap(entry => {
    const { name, vmid, address, expiresAt } = entry
    return duesOf(entry, running.has(entry.vmid), options).map(due => ({
      ...{ name, vmid, address, expiresAt, due },
      ...{ result: 'due' as const, error: undefined },
    }))
  })
}

/** What is due for one VM. One that is destroyed takes its old disk along. */
function duesOf(entry: Entry, runs: boolean, options: GcOptions): Due[] {
  const due = dueNow(entry, runs, options)
  const isDiskDue = due !== 'destroy' && isPreviousDue(entry, options.now())
  return [...(due === undefined ? [] : [due]), ...(isDiskDue ? ['delete old disk' as const] : [])]
}

/** Asks only the nodes that have one of the VMs: mostly none is suspended. */
async function runningAmong(entries: Entry[], client: ProxmoxClient): Promise<Set<number>> {
  if (entries.length === 0) return new Set()
  const vmids = new Set(entries.map(({ vmid }) => vmid))
  const places = (await listVmPlaces(client)).filter(({ vmid }) => vmids.has(vmid))
  const vms = await describeVms(client, places)
  return new Set(vms.filter(({ status }) => status === 'running').map(({ vmid }) => vmid))
}

function dueNow(entry: Entry, runs: boolean, { now, graceDays }: GcOptions): Due | undefined {
  return dueFor(entry, runs, now(), graceDays * DAY_MS)
}

/** Reads the entry again under its lock, so that a renewal wins, and does what is due. */
async function collect(candidate: Candidate, options: GcOptions, unlocked: VmContext): Promise<GcOutcome> {
  const { name, due } = candidate
  const work = async (context: VmContext): Promise<GcOutcome['result']> => {
    const entry = await context.store.find(name)
    if (entry === undefined) return 'gone'
    if (!duesOf(entry, due === 'power off', options).includes(due)) return 'renewed'
    await workFor[due](entry, context)
    return 'done'
  }
  try {
    const result = await withRow(name, () => withVmLock(unlocked, name, 'gc', work))
    return { ...candidate, result }
  } catch (error) {
    return { ...candidate, result: 'failed', error: messageOf(error) }
  }
}

function backupCandidate({ entry, volid }: OldBackup): GcOutcome {
  const { name, vmid, address, expiresAt } = entry
  const about = { name, vmid, address, expiresAt, backup: volid }
  return { ...about, due: 'remove backup', result: 'due', error: undefined }
}

async function forgetBackup(
  candidate: GcOutcome,
  backup: OldBackup,
  unlocked: VmContext,
): Promise<GcOutcome> {
  const work = (context: VmContext): Promise<boolean> => removeOldBackup(backup, context)
  try {
    const isDone = await withRow(candidate.name, () => withVmLock(unlocked, candidate.name, 'gc', work))
    return { ...candidate, result: isDone ? 'done' : 'gone' }
  } catch (error) {
    return { ...candidate, result: 'failed', error: messageOf(error) }
  }
}

const workFor: Record<Due, (entry: Entry, context: VmContext) => Promise<unknown>> = {
  suspend: suspendVm,
  'power off': powerOff,
  destroy: removeExpired,
  'delete old disk': expirePrevious,
}

async function removeExpired(entry: Entry, context: VmContext): Promise<Entry> {
  if (entry.phase === 'reserved') await requireNobodyUses(entry, context.connection)
  return removeVm(context, entry)
}

/** What becomes due for one VM within the next days, if nobody extends it. */
interface Coming {
  name: string
  due: Due
  /** ISO 8601. */
  at: string
}

/** Lists what becomes due within the next days, the first first. */
export async function comingFor({ graceDays, now }: GcOptions, { store }: VmContext): Promise<Coming[]> {
  const from = now().getTime()
  const all = (await store.list()).flatMap(entry => {
    const next = nextDue(entry, graceDays * DAY_MS)
    if (next === undefined || next.at <= from || next.at > from + SOON_MS) return []
    return [{ name: entry.name, due: next.due, at: new Date(next.at).toISOString() }]
  })
  return all.sort((a, b) => a.at.localeCompare(b.at))
}

/** Formats a row for each VM that something is due for, and for each that something becomes due for. */
export function formatGc(outcomes: GcOutcome[], execute: boolean, coming: Coming[] = []): string {
  return [formatDue(outcomes, execute), ...comingLines(coming)].join('\n')
}

function comingLines(coming: Coming[]): string[] {
  if (coming.length === 0) return []
  const rows = coming.map(({ name, due, at }) => [at.slice(0, 10), due, name])
  return [
    '',
    'due within 7 days, if nobody extends the VM (zx scripts/vm.mts extend NAME --days N):',
    formatTable(['on', 'due', 'name'], rows),
  ]
}

function formatDue(outcomes: GcOutcome[], execute: boolean): string {
  if (outcomes.length === 0) return 'nothing is due'
  const rows = outcomes.map(({ name, vmid, address, expiresAt, due, result, error }) => [
    name,
    String(vmid),
    address,
    due === 'delete old disk' ? '' : expiryDay({ expiresAt }),
    due,
    error === undefined ? result : `${result}: ${error.split('\n')[0]}`,
  ])
  const text = formatTable(['name', 'VMID', 'address', 'expired', 'due', 'result'], rows)
  return execute ? text : `${text}\nnothing was changed; to do it: zx scripts/gc.mts --execute`
}
