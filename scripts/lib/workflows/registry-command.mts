import { readFile, rename, stat } from 'node:fs/promises'
import { loadPools } from '../config/pools.mts'
import { checkEntries } from '../registry/check.mts'
import type { Entry } from '../registry/entry.mts'
import type { RegistryStore } from '../registry/store.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { counted } from '../run/counted.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { registryPlace, withRegistry } from './open-registry.mts'

export const registryVerbs = ['check', 'backup', 'restore'] as const
export type RegistryVerb = (typeof registryVerbs)[number]

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
export async function checkRegistry(): Promise<RegistryResult> {
  const pools = await loadPools()
  return withRegistry('registry check', async store => {
    const contents = await contentsOf(store)
    return resultOf(store, contents, { faults: checkEntries(contents.entries, pools) })
  })
}

/** Writes everything to a file that `restore` takes. */
export async function backUpRegistry(file: string): Promise<RegistryResult> {
  return withRegistry('registry backup', async store => {
    const contents = await contentsOf(store)
    const backup: Backup = { proxmintRegistry: 1, ...contents }
    await writeFileAtomic(file, `${JSON.stringify(backup, null, 2)}\n`, 0o600)
    return resultOf(store, contents, {})
  })
}

/**
 * Puts a backup into an empty registry. With `replace` a registry in files is moved aside first, readable or not.
 * @throws ProxmintError (usage) where the registry is not empty; nothing is changed then.
 */
export async function restoreRegistry(file: string, replace: boolean): Promise<RegistryResult> {
  const { entries, archived } = await readBackup(file)
  const movedTo = replace ? await moveAside() : undefined
  return withRegistry('registry restore', async store => {
    await requireEmpty(store, file)
    await store.add(entries, archived)
    return resultOf(store, { entries, archived }, { movedTo })
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
  try {
    const backup = JSON.parse(text) as Partial<Backup> | null
    if (backup?.proxmintRegistry === 1 && backup.entries && backup.archived) return backup as Backup
  } catch {}
  throw new ProxmintError(`${file} is no backup of a registry`, {
    hint: '`zx scripts/registry.mts backup FILE` makes one; a vms.json is read by `zx scripts/vm.mts import FILE`',
    exitCode: exitCodes.invalid,
  })
}

async function requireEmpty(store: RegistryStore, file: string): Promise<void> {
  const { length } = await store.list()
  if (length === 0 && (await store.listArchived()).length === 0) return
  throw new ProxmintError(`${store.description} is not empty: it holds ${counted(length, 'VM')}`, {
    hint: `to move it aside first: zx scripts/registry.mts restore ${file} --replace; a database is emptied with its own tools`,
    exitCode: exitCodes.usage,
  })
}

async function moveAside(): Promise<string | undefined> {
  const place = await registryPlace()
  if (place.kind === 'postgres') {
    throw new ProxmintError('--replace is for a registry in files', {
      hint: 'empty the database with its own tools, then restore without --replace',
      exitCode: exitCodes.usage,
    })
  }
  if (!(await exists(place.folder))) return undefined
  const movedTo = `${place.folder}-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`
  await rename(place.folder, movedTo)
  return movedTo
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
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
