import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { GuestExit } from '../driver.mts'

export interface Ended {
  exited: Promise<GuestExit>
  /** Ends the guest by a signal to the process that stands for it; `exited` then says `stopped`. */
  pull(pid: number, signal: NodeJS.Signals): Promise<void>
}

/** How a guest ends whose process is `child`. @param cleanUp what is done before anybody hears of it. */
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

/** A guest that is gone already needs no signal. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
