/** The process that stands for a simulated guest: how it starts and how it ends. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import type { GuestExit, RunningGuest } from '../driver.mts'

/** Starts a process that writes to the console's file. @param more descriptors from 3 on. */
export async function spawnOnConsole(
  consolePath: string,
  [file, ...args]: [string, ...string[]],
  options: { env: NodeJS.ProcessEnv; detached?: boolean },
  more: 'pipe'[] = [],
): Promise<ChildProcess> {
  const console = await open(consolePath, 'w', 0o600)
  try {
    return spawn(file, args, { ...options, cwd: '/', stdio: ['pipe', console.fd, console.fd, ...more] })
  } finally {
    await console.close()
  }
}

/** A guest whose memory cannot be written to a file. The driver keeps the halted processes instead. */
export type SimGuest = Omit<RunningGuest, 'hibernate'>

export interface Ended {
  exited: Promise<GuestExit>
  /** Ends the guest by a signal to one of its processes. The reason in `exited` is then `stopped`. */
  pull(pid: number, signal: NodeJS.Signals): Promise<void>
}

/** Follows a guest's process to its end. @param cleanUp runs before `exited` resolves. */
export function endOf(child: ChildProcess, cleanUp: () => Promise<void>): Ended {
  let pulled = false
  const exited = once(child, 'close').then(
    async ([code, signal]) => {
      await cleanUp().catch(() => undefined)
      if (pulled) return { reason: 'stopped' } as const
      if (code === 0) return { reason: 'poweroff' } as const
      return { reason: 'crashed', detail: `init ended with ${signal ?? code}` } as const
    },
    (error: Error) => ({ reason: 'crashed', detail: error.message }) as const,
  )
  return {
    exited,
    pull: async (pid, signal) => {
      pulled = true
      signalProcess(pid, signal)
      await exited
    },
  }
}

/** Sends a signal. Does nothing if the process is gone already. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
