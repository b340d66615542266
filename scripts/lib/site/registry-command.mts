import { readFile } from 'node:fs/promises'
import { checkEntries, conflictsOf } from '../registry/check.mts'
import type { Entry } from '../registry/entry.mts'
import { moveRegistryAside } from '../registry/file/move-aside.mts'
import { conflicting } from '../registry/revise.mts'
import type { RegistryStore } from '../registry/store.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { counted } from '../run/counted.mts'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { withRegistry } from './open-registry.mts'
import { openSite, type Site } from './site.mts'

export const registryVerbs = ['check', 'backup', 'restore'] as const
type RegistryVerb = (typeof registryVerbs)[number]

/** What `registry backup` writes and `registry restore` reads. */
interface Backup {
  proxmintRegistry: 1
  entries: Entry[]
  archived: Entry[]
}

export interface RegistryResult {
  registry: string
  entries: number
  archived: number
  /** Of `check`: what is wrong. */
  faults: string[]
  /** Of `restore --replace`: where the former registry is now. */
  movedTo: string | undefined
}

/** Reads every entry and says what contradicts what. */
export async function checkRegistry(site: Site = openSite()): Promise<RegistryResult> {
  const pools = await site.pools()
  return withRegistry(site, 'registry check', async store => {
    const contents = await contentsOf(store)
    return resultOf(store, contents, { faults: checkEntries(contents.entries, pools) })
  })
}

/** Writes everything to a file that `restore` takes. */
export async function backUpRegistry(file: string): Promise<RegistryResult> {
  return withRegistry(openSite(), 'registry backup', async store => {
    const contents = await contentsOf(store)
    const backup: Backup = { proxmintRegistry: 1, ...contents }
    await writeFileAtomic(file, `${JSON.stringify(backup, null, 2)}\n`, 0o600)
    return resultOf(store, contents, {})
  })
}

/**
 * Puts a backup into an empty registry. With `replace` a registry in files is moved aside first, readable or not.
 * @throws ProxmintError (usage) where the registry is not empty or the backup contradicts itself, (locked) where a VM is
 * worked on; nothing is changed then.
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
    // Before anything is moved: no registry would take them.
    const conflicts = conflictsOf([], backup.entries)
    if (conflicts.length > 0) throw conflicting(conflicts)
    return backup as Backup
  }
  throw new ProxmintError(`${file} is no backup of a registry`, {
    hint: '`zx scripts/registry.mts backup FILE` makes one; a vms.json is read by `zx scripts/vm.mts import FILE`',
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

/** For a person. */
export function formatRegistry(verb: RegistryVerb, file: string | undefined, result: RegistryResult): string {
  const { registry, entries, archived, faults, movedTo } = result
  const counts = `${counted(entries, 'VM')}, ${archived} destroyed`
  if (verb === 'check') {
    const verdict = faults.length === 0 ? 'nothing is wrong' : counted(faults.length, 'fault')
    return [`${registry}: ${counts}: ${verdict}`, ...faults.map(fault => `  - ${fault}`)].join('\n')
  }
  if (verb === 'backup') return `${registry}: ${counts}, written to ${file}`
  const moved = movedTo === undefined ? '' : `\nthe former registry is in ${movedTo}`
  return `${registry}: ${counts}, from ${file}${moved}`
}
