/** `registry check`, `backup` and `restore`. */

import { readFile } from 'node:fs/promises'
import { checkEntries, conflictsOf } from '../registry/check.mts'
import type { Entry } from '../registry/entry.mts'
import { moveRegistryAside } from '../registry/file/move-aside.mts'
import { conflicting } from '../registry/revise.mts'
import type { RegistryStore } from '../registry/store.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { counted } from '../run/counted.mts'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { printableLine } from '../run/printable.mts'
import { withRegistry } from './open-registry.mts'
import { openSite, type Site } from './site.mts'

type RegistryVerb = 'check' | 'backup' | 'restore'

/** File of `registry backup`, which `registry restore` reads. */
interface Backup {
  proxmintRegistry: 1
  entries: Entry[]
  archived: Entry[]
}

export interface RegistryResult {
  registry: string
  entries: number
  archived: number
  /** Faults that `check` found. */
  faults: string[]
  /** New place of the former registry after `restore --replace`. */
  movedTo: string | undefined
}

/** Checks every entry by itself, against the others and against the pools. */
export async function checkRegistry(site: Site = openSite()): Promise<RegistryResult> {
  const pools = await site.pools()
  return withRegistry(site, 'registry check', async store => {
    const contents = await contentsOf(store)
    return resultOf(store, contents, { faults: checkEntries(contents.entries, pools) })
  })
}

/** Writes all entries to a file for `restore`. */
export async function backUpRegistry(file: string): Promise<RegistryResult> {
  return withRegistry(openSite(), 'registry backup', async store => {
    const contents = await contentsOf(store)
    const backup: Backup = { proxmintRegistry: 1, ...contents }
    await writeFileAtomic(file, `${JSON.stringify(backup, null, 2)}\n`, 0o600)
    return resultOf(store, contents, {})
  })
}

/**
 * Restores a backup into an empty registry.
 * @param replace Moves a registry in files aside first, even if it is damaged.
 * @throws ProxmintError (usage) If the registry is not empty or the entries of the backup contradict each other,
 * (locked) if a run works on a VM. Nothing is changed then.
 */
export async function restoreRegistry(file: string, replace: boolean): Promise<RegistryResult> {
  const { entries, archived } = await readBackup(file)
  const site = openSite()
  const movedTo = replace ? await moveAside(site) : undefined
  const restored = withRegistry(site, 'registry restore', async store => {
    await requireEmpty(store, file)
    await store.add(entries, archived)
    return resultOf(store, { entries, archived }, { movedTo })
  })
  return movedTo === undefined
    ? restored
    : restored.catch(error => Promise.reject(notRestored(error, movedTo)))
}

function notRestored(cause: unknown, movedTo: string): ProxmintError {
  const known = cause instanceof ProxmintError ? cause : undefined
  return new ProxmintError(`the backup was not restored: ${messageOf(cause)}`, {
    facts: { ...known?.facts, 'former registry': movedTo },
    hint: known?.hint,
    exitCode: known?.exitCode,
    cause,
  })
}

type Contents = Pick<Backup, 'entries' | 'archived'>

async function contentsOf(store: RegistryStore): Promise<Contents> {
  return { entries: await store.list(), archived: await store.listArchived() }
}

function resultOf(
  store: RegistryStore,
  { entries, archived }: Contents,
  more: Partial<RegistryResult>,
): RegistryResult {
  const counts = { entries: entries.length, archived: archived.length }
  return { registry: store.description, ...counts, faults: [], movedTo: undefined, ...more }
}

async function readBackup(file: string): Promise<Backup> {
  const text = await readFile(file, 'utf8').catch(cause => {
    throw new ProxmintError(`cannot read the backup ${file}: ${codeOf(cause)}`, {
      cause,
      exitCode: exitCodes.usage,
    })
  })
  const backup = parsed(text)
  if (backup?.proxmintRegistry === 1 && Array.isArray(backup.entries) && Array.isArray(backup.archived)) {
    // Checked before anything is moved: no registry accepts such entries.
    const conflicts = conflictsOf([], backup.entries)
    if (conflicts.length > 0) throw conflicting(conflicts)
    return backup as Backup
  }
  throw new ProxmintError(`${file} is not a backup of a registry`, {
    hint: '`zx scripts/registry.mts backup FILE` writes one; `zx scripts/vm.mts import FILE` reads a vms.json',
    exitCode: exitCodes.invalid,
  })
}

function parsed(text: string): Partial<Backup> | undefined {
  try {
    return JSON.parse(text) ?? undefined
  } catch {
    return undefined
  }
}

async function requireEmpty(store: RegistryStore, file: string): Promise<void> {
  const { length } = await store.list()
  if (length === 0 && (await store.listArchived()).length === 0) return
  throw new ProxmintError(`${store.description} is not empty: it holds ${counted(length, 'VM')}`, {
    hint: `to move it aside first: zx scripts/registry.mts restore ${file} --replace; a database is emptied with its own tools`,
    exitCode: exitCodes.usage,
  })
}

async function moveAside(site: Site): Promise<string | undefined> {
  const place = await site.registryPlace()
  if (place.kind === 'postgres') {
    throw new ProxmintError('--replace is for a registry in files', {
      hint: 'empty the database with its own tools, then restore without --replace',
      exitCode: exitCodes.usage,
    })
  }
  return moveRegistryAside(place.folder, 'registry restore')
}

/** Text of a result. */
export function formatRegistry(verb: RegistryVerb, file: string | undefined, result: RegistryResult): string {
  const { registry, entries, archived, faults, movedTo } = result
  const counts = `${counted(entries, 'VM')}, ${archived} destroyed`
  if (verb === 'check') {
    const verdict = faults.length === 0 ? 'nothing is wrong' : counted(faults.length, 'fault')
    return [`${registry}: ${counts}: ${verdict}`, ...faults.map(fault => `  - ${printableLine(fault)}`)].join(
      '\n',
    )
  }
  if (verb === 'backup') return `${registry}: ${counts}, written to ${file}`
  const moved = movedTo === undefined ? '' : `\nthe former registry is in ${movedTo}`
  return `${registry}: ${counts}, from ${file}${moved}`
}
