/** `registry check`, `backup` and `restore`. */

import { checkEntries } from '../registry/check.mts'
import { replaceRegistry } from '../registry/file/replace.mts'
import type { RegistryStore } from '../registry/store.mts'
import { counted } from '../run/counted.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { printableLine } from '../run/printable.mts'
import { withRegistry } from './open-registry.mts'
import { type Contents, readBackup, writeBackup } from './registry-backup.mts'
import { openSite, type Site } from './site.mts'

type RegistryVerb = 'check' | 'backup' | 'restore'

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
    await writeBackup(file, contents)
    return resultOf(store, contents, {})
  })
}

/**
 * Restores a backup into an empty registry.
 * @param replace Replaces a registry in files, even if it is damaged or gone. Its files are moved aside.
 * @throws ProxmintError (usage) If the registry is not empty, (invalid) if the backup is damaged, (locked) if a run works
 * on a VM. Nothing is changed then.
 */
export async function restoreRegistry(file: string, replace: boolean): Promise<RegistryResult> {
  const contents = await readBackup(file)
  const site = openSite()
  if (replace) return replaceBy(contents, site)
  return withRegistry(site, 'registry restore', async store => {
    await requireEmpty(store, file)
    await store.add(contents.entries, contents.archived)
    return resultOf(store, contents, {})
  })
}

async function replaceBy(contents: Contents, site: Site): Promise<RegistryResult> {
  const place = await site.registryPlace()
  if (place.kind === 'postgres') {
    throw new ProxmintError('--replace is for a registry in files', {
      hint: 'empty the database with its own tools, then restore without --replace',
      exitCode: exitCodes.usage,
    })
  }
  const movedTo = await replaceRegistry(place.folder, 'registry restore', contents)
  return withRegistry(site, 'registry restore', async store => resultOf(store, contents, { movedTo }))
}

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

async function requireEmpty(store: RegistryStore, file: string): Promise<void> {
  const { length } = await store.list()
  if (length === 0 && (await store.listArchived()).length === 0) return
  throw new ProxmintError(`${store.description} is not empty: it holds ${counted(length, 'VM')}`, {
    hint: `to move it aside first: zx scripts/registry.mts restore ${file} --replace; a database is emptied with its own tools`,
    exitCode: exitCodes.usage,
  })
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
