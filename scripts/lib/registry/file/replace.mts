import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFailed } from '../../run/atomic-file.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { requireUnlocked } from '../../run/lock.mts'
import type { Entry } from '../entry.mts'
import { listFolder, writeArchive, writeSnapshot } from './generation.mts'
import { withRegistryLock } from './lock.mts'
import { openMarker, readMarker } from './marker.mts'

interface Contents {
  entries: Entry[]
  archived: Entry[]
}

/** Serials that runs may use meanwhile that do not know of the restore yet. */
const ROOM = 1000

/**
 * Replaces all of a registry, which need not be readable. The new snapshot has a higher number than anything there, so
 * the rename of its file makes it the registry: a run that dies before leaves the former one, and later the new one.
 * The former files are then moved into a new folder beside it.
 * @returns that folder; undefined if there were no files.
 * @throws ProxmintError (locked) if another run works on a VM; nothing is changed then.
 */
export async function replaceRegistry(
  folder: string,
  purpose: string,
  { entries, archived }: Contents,
): Promise<string | undefined> {
  return withRegistryLock(folder, 'registry', purpose, async () => {
    const names = listFolder(folder)
    for (const vm of names.flatMap(name => /^(vm-.+)\.lock$/.exec(name)?.[1] ?? [])) {
      await requireUnlocked({ path: join(folder, vm), purpose })
    }
    const former = names.filter(name => /\.jsonl?$/.test(name) && !name.startsWith('.'))
    const serial = (await highestSerial(folder, former)) + ROOM
    await writeArchive(folder, serial, archived)
    checkpoint('registry-prepared')
    await writeSnapshot(folder, { version: 1, serial, cursors: {}, entries, archivesFrom: serial })
    checkpoint('registry-replaced')
    noteSerial(folder, serial)
    return former.length === 0 ? undefined : moveAside(folder, former)
  })
}

/** Highest serial that files of a registry name, or the marker, whatever else is in them. */
async function highestSerial(folder: string, names: string[]): Promise<number> {
  const numbers = names.map(name => Number(/-(\d+)\./.exec(name)?.[1] ?? 0))
  for (const name of names.filter(one => one.startsWith('journal-'))) {
    const text = await readFile(join(folder, name), 'utf8')
    numbers.push(...[...text.matchAll(/"serial":(\d{1,15}),/g)].map(([, serial]) => Number(serial)))
  }
  return Math.max(0, readMarker(folder)?.serial ?? 0, ...numbers)
}

function noteSerial(folder: string, serial: number): void {
  const marker = openMarker(folder)
  marker.note(serial, '')
  marker.close()
}

async function moveAside(folder: string, names: string[]): Promise<string> {
  const movedTo = `${folder}-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`
  try {
    await mkdir(movedTo, { mode: 0o700 })
    for (const name of names) await rename(join(folder, name), join(movedTo, name))
  } catch (cause) {
    throw writeFailed(movedTo, cause)
  }
  return movedTo
}
