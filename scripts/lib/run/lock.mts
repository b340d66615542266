/** Locks between runs, also of different machines on one shared folder. */

import { constants } from 'node:fs'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { writeFailed } from './atomic-file.mts'
import { codeOf, exitCodes, messageOf, ProxmintError } from './errors.mts'
import { ifThere } from './if-there.mts'

export interface LockInfo {
  /** Protected file. The lock is the folder `<path>.lock` beside it. */
  path: string
  /** Name of the work, shown to a run that finds the lock taken. */
  purpose: string
  /** Time to wait for another holder. Default 0: fail at once. */
  waitMs?: number
  /** Approximate time between two attempts. Default 200. */
  retryMs?: number
}

/** Writes a file anew, but through no link. */
const NO_LINK = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW

/** A lock whose holder has not renewed it for this long is free. */
const STALE_MS = 15_000

/**
 * Work under a lock.
 * @param lost aborts when the loss of the lock is noticed, which takes seconds.
 * @param isHeld looks whether the lock is still that of this run. Ask it before each step that cannot be taken back.
 */
export type LockedWork<T> = (lost: AbortSignal, isHeld: IsHeld) => Promise<T>
type IsHeld = () => Promise<boolean>

/**
 * Runs `work` while holding the lock. The lock is lost if the machine slept longer than a lock lives, and another run
 * took it.
 * @throws ProxmintError (locked) With the holder.
 */
export async function withLock<T>(info: LockInfo, work: LockedWork<T>): Promise<T> {
  const lost = new AbortController()
  const release = await acquire(info, lost)
  const mine = await identityOf(info)
  const isHeld = async (): Promise<boolean> => !lost.signal.aborted && (await identityOf(info)) === mine
  const holder = `${info.path}.holder`
  try {
    // The file only informs other runs. A full disk must not stop work such as `vm destroy`.
    await writeFile(holder, describeHolder(info.purpose), { flag: NO_LINK, mode: 0o600 }).catch(
      () => undefined,
    )
    return await work(lost.signal, isHeld)
  } finally {
    if (await isHeld()) {
      await rm(holder, { force: true }).catch(() => undefined)
      await release().catch(unlessLost)
    }
  }
}

/** Ignores the loss of a lock at its release: the work is already done. */
function unlessLost(error: unknown): void {
  if (codeOf(error) !== 'ERELEASED') throw error
}

/** Identifies the folder that is the lock; undefined if it is gone. A run that takes the lock over makes another. */
async function identityOf({ path }: LockInfo): Promise<string | undefined> {
  const found = await ifThere(stat(`${path}.lock`, { bigint: true }))
  return found && `${found.dev} ${found.ino} ${found.birthtimeNs}`
}

/**
 * Runs `work` under a lock, and ends with exit code 5 if the lock was lost meanwhile, also if `work` succeeded.
 * @throws ProxmintError (locked) if the lock was lost; any error of `work` otherwise.
 */
export async function whileHeld<T>(
  purpose: string,
  lost: AbortSignal,
  isHeld: IsHeld,
  work: LockedWork<T>,
): Promise<T> {
  const result = await work(lost, isHeld).catch(async error => {
    const isTold = error instanceof ProxmintError && error.exitCode === exitCodes.locked
    throw isTold || (await isHeld()) ? error : lockLost(purpose, lost, error)
  })
  if (await isHeld()) return result
  throw lockLost(purpose, lost)
}

/** Error for work that was stopped because its lock was taken over (exit code 5). */
export function lockLost(work: string, lost: AbortSignal, cause?: unknown): ProxmintError {
  return new ProxmintError(`${work}: its lock was lost, and it was stopped`, {
    facts: {
      ...(cause instanceof ProxmintError ? cause.facts : {}),
      'stopped at': cause === undefined ? undefined : messageOf(cause),
      why: lost.aborted ? messageOf(lost.reason) : undefined,
    },
    hint: 'another run may work on the same by now: wait for it to end, then run the command again',
    cause,
    exitCode: exitCodes.locked,
  })
}

async function acquire(info: LockInfo, lost: AbortController): Promise<() => Promise<void>> {
  const { lock } = await import('proper-lockfile')
  await mkdir(dirname(info.path), { recursive: true, mode: 0o700 }).catch(cause => {
    throw writeFailed(info.path, cause)
  })
  const { waitMs = 0, retryMs = 200 } = info
  const options = {
    realpath: false,
    stale: STALE_MS,
    retries: { retries: Math.ceil(waitMs / retryMs), minTimeout: retryMs, maxTimeout: retryMs },
    onCompromised: (error: Error) => lost.abort(error),
  }
  try {
    return await lock(info.path, options)
  } catch (cause) {
    if (codeOf(cause) === 'ELOCKED') throw await lockedBy(info, cause)
    throw writeFailed(`${info.path}.lock`, cause)
  }
}

/** Checks that no running process holds the lock. @throws ProxmintError (locked) With the holder. */
export async function requireUnlocked(info: Pick<LockInfo, 'path' | 'purpose'>): Promise<void> {
  const { check } = await import('proper-lockfile')
  if (await check(info.path, { realpath: false, stale: STALE_MS })) throw await lockedBy(info, undefined)
}

function describeHolder(purpose: string): string {
  return `${purpose}, process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`
}

async function lockedBy(info: Pick<LockInfo, 'path' | 'purpose'>, cause: unknown): Promise<ProxmintError> {
  const holder = await readFile(`${info.path}.holder`, 'utf8').catch(() => 'unknown')
  return new ProxmintError(`${info.purpose}: another run holds the lock ${info.path}.lock`, {
    facts: { holder },
    hint: `wait for it to end; a run that was killed loses its lock after ${STALE_MS / 1000} s`,
    cause,
    exitCode: exitCodes.locked,
  })
}
