/** The TPM of a real machine: a process of swtpm, from Debian's package swtpm. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isAccessible } from '../../core/files.mts'
import { run } from '../../core/process.mts'
import type { GuestTpm } from '../driver.mts'

/** Socket in the machine's folder. QEMU and swtpm work in that folder, because the path of a socket must be short. */
export const TPM_SOCKET = 'swtpm.sock'

const SOCKET_TIMEOUT_MS = 5000
const POLL_MS = 50
/** Time for swtpm to notice that QEMU is gone. */
const END_TIMEOUT_MS = 2000

export interface RunningTpm {
  /** Writes the state to its volume. */
  save(): Promise<void>
  /** Writes the state to its volume when QEMU has ended. swtpm ends with it, unless they were never connected. */
  end(): Promise<void>
}

/**
 * Starts a TPM with the state in its volume; a blank volume is a new TPM. swtpm reads no qcow2, so it works on a copy,
 * which `save` and `end` write back.
 * @param folder folder of the machine.
 * @throws {Error} if swtpm is not installed, or with its own text.
 */
export async function startTpm({ path, version }: GuestTpm, folder: string): Promise<RunningTpm> {
  const state = join(folder, 'tpm.raw')
  await run('qemu-img', ['convert', '--force-share', '-f', 'qcow2', '-O', 'raw', path, state])
  const { child, ended } = await spawnTpm(state, version, folder)
  // Without `-n`, the volume would lose its snapshots.
  const save = async (): Promise<void> =>
    void (await run('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'qcow2', state, path]))
  return {
    save,
    async end() {
      const timer = setTimeout(() => child.kill(), END_TIMEOUT_MS)
      await ended
      clearTimeout(timer)
      await save()
    },
  }
}

/** Starts swtpm. Resolves when it listens. */
async function spawnTpm(
  state: string,
  version: GuestTpm['version'],
  folder: string,
): Promise<{ child: ChildProcess; ended: Promise<unknown> }> {
  const child = spawn('swtpm', swtpmArguments(state, version), {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const failed = failureOf(child)
  const ended = failed.catch(() => undefined)
  await Promise.race([failed, listening(join(folder, TPM_SOCKET))]).catch(error => {
    child.kill('SIGKILL')
    throw error
  })
  return { child, ended }
}

function swtpmArguments(state: string, version: GuestTpm['version']): string[] {
  return [
    ...['socket', '--tpmstate', `backend-uri=file://${state},mode=0600`],
    ...['--ctrl', `type=unixio,path=${TPM_SOCKET},mode=0600`, '--terminate'],
    ...(version === 'v2.0' ? ['--tpm2'] : []),
  ]
}

/** Rejects if swtpm cannot be started or fails; resolves when it ends. */
function failureOf(child: ChildProcess): Promise<void> {
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    said = `${said}${text}`.slice(-2000)
  })
  return new Promise((resolve, reject) => {
    child.once('error', ({ message }) =>
      reject(new Error(`failed to start swtpm: ${message}; it is in Debian's package swtpm`)),
    )
    child.once('close', code =>
      code === 0
        ? resolve()
        : reject(new Error(`failed to start swtpm: ${said.trim() || `it ended with ${code}`}`)),
    )
  })
}

async function listening(socket: string): Promise<void> {
  const deadline = Date.now() + SOCKET_TIMEOUT_MS
  while (!(await isAccessible(socket))) {
    if (Date.now() > deadline) throw new Error('failed to start swtpm: it made no socket within 5 s')
    await delay(POLL_MS)
  }
}
