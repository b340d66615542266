/** Changes of one file by several runs: no update is lost, also if a run is stopped in between and loses its lock. */

import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { syncFolder, writeFailed } from './atomic-file.mts'
import { checkpoint } from './checkpoint.mts'
import { codeOf, exitCodes, ProxmintError } from './errors.mts'
import { ifThere } from './if-there.mts'
import { type LockInfo, withLock } from './lock.mts'

/** A run without its lock can end the try of another. With the lock, the first try is enough. */
const MAX_TRIES = 100

/** @param text content of the file; undefined: there is no file. */
type Change<T> = (text: string | undefined) => Promise<{ text: string | undefined; result: T }>

/**
 * Reads a file, changes its text and replaces the file as a whole. It is a compare-and-set, by these steps:
 *
 * 1. make a temporary file of a new name beside the file,
 * 2. remove the temporary files of all other runs,
 * 3. read the file,
 * 4. write the temporary file and rename it to the file.
 *
 * The rename fails if another run reached step 2 since step 1 of this run. Of two runs that read the same text, one has
 * therefore removed the temporary file of the other, which then begins again. The lock only keeps runs from doing so all
 * the time.
 * @param change gets the current text, perhaps several times. The same text or undefined: nothing is written. It may
 *   throw; nothing is written then.
 * @param mode of the file, whatever the umask.
 * @throws ProxmintError (locked) if another run holds the lock for longer than `waitMs`, (failed) if the file cannot be
 *   written.
 */
export function changeFile<T>(lock: LockInfo, change: Change<T>, mode = 0o644): Promise<T> {
  return withLock(lock, async () => {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const done = await tryChange(lock.path, change, mode)
      if (done !== undefined) return done.result
      // Runs that begin again at the same moment would disturb each other again.
      await sleep(Math.random() * 10)
    }
    throw new ProxmintError(`other runs changed ${lock.path} ${MAX_TRIES} times at the same time`, {
      hint: 'nothing was changed; run the command again',
      exitCode: exitCodes.locked,
    })
  })
}

/** @returns undefined if another run came in between; nothing was changed then. */
async function tryChange<T>(
  path: string,
  change: Change<T>,
  mode: number,
): Promise<{ result: T } | undefined> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  try {
    await using file = await openFirst(path, temporary, mode)
    const before = await ifThere(readFile(path, 'utf8'))
    const { text, result } = await change(before)
    if (text === undefined || text === before) return { result }
    return (await replace(path, temporary, file, { text, mode })) ? { result } : undefined
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}

/** Opens the temporary file of this run, and only then removes those of other runs. */
async function openFirst(path: string, temporary: string, fileMode: number): Promise<FileHandle> {
  const [folder, mine] = [dirname(path), basename(temporary)]
  const isTemporary = (name: string): boolean =>
    name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'wx', fileMode)
    for (const name of await readdir(folder)) {
      if (name !== mine && isTemporary(name)) await rm(join(folder, name), { force: true })
    }
    return file
  } catch (cause) {
    throw writeFailed(path, cause)
  }
}

/** @returns false if another run has removed the temporary file. */
async function replace(
  path: string,
  temporary: string,
  file: FileHandle,
  { text, mode }: { text: string; mode: number },
): Promise<boolean> {
  try {
    // Each further step gives other runs more time to come in between.
    if ((process.umask() & mode) !== 0) await file.chmod(mode)
    await file.writeFile(text)
    await file.sync()
    checkpoint('file-written')
    await rename(temporary, path)
    await syncFolder(dirname(path))
    return true
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return false
    throw writeFailed(path, cause)
  }
}
