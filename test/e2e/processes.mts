/** The command lines of every process of this machine, for as long as something is watched. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Watch {
  /** Every command line seen so far, its words joined by spaces. */
  seen: ReadonlySet<string>
  stop(): void
}

const sampleMs = 5

/** Command lines are read again and again: what runs for a few milliseconds only can be missed. */
export function watchProcesses(): Watch {
  const seen = new Set<string>()
  const timer = setInterval(() => {
    for (const line of commandLines()) seen.add(line)
  }, sampleMs)
  return { seen, stop: () => clearInterval(timer) }
}

function commandLines(): string[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return pids.map(commandLine).filter(line => line !== '')
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trimEnd()
  } catch {
    // It ended between the listing and the reading.
    return ''
  }
}
