import { setTimeout as sleep } from 'node:timers/promises'
import { isTransientText } from '../packer/failures.mts'
import { ProxmoxApiError } from '../proxmox/errors.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import { PackerError } from './packer-run.mts'

const ATTEMPTS = 5
const FIRST_PAUSE_MS = 2000

interface Retrying {
  signal: AbortSignal
  /** Tests wait without time going by. */
  wait?: (ms: number) => Promise<unknown>
}

/**
 * Runs `work` up to five times, with pauses of 2, 4, 8 and 16 s after transient failures. Any other failure, and an
 * interruption, ends it at once.
 */
export async function withRetries<T>(
  what: string,
  work: () => Promise<T>,
  { signal, wait = ms => sleep(ms, undefined, { signal }).catch(() => undefined) }: Retrying,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === ATTEMPTS || signal.aborted || !isTransient(error)) throw error
      const pauseMs = FIRST_PAUSE_MS * 2 ** (attempt - 1)
      say(`${what}: ${reasonOf(error)}; again in ${pauseMs / 1000} s (attempt ${attempt + 1} of ${ATTEMPTS})`)
      await wait(pauseMs)
      if (signal.aborted) throw error
    }
  }
}

/** Whether the same work can succeed a little later: a lock was held too long, or Proxmox answered 502 to 504 or 59x. */
export function isTransient(error: unknown): boolean {
  if (error instanceof PackerError) return error.isTransient
  if (error instanceof ProxmoxApiError) {
    return error.status > 501 ? error.status < 600 : isTransientText(error.reason)
  }
  if (!(error instanceof ProxmintError) || error.exitCode !== exitCodes.failed) return false
  return isTransientText(error.message)
}

function reasonOf(error: unknown): string {
  const lines = error instanceof Error ? error.message.split('\n') : [String(error)]
  const telling = lines.find(line => isTransientText(line)) ?? lines[0]!
  return telling.trim()
}
