/** Commands that come in by SSH, each a confined bash connected to its channel. */

import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { ServerChannel } from 'ssh2'
import type { Confinement } from './confinement.mts'

/** What a login without a command gets. Without a terminal: bash then reads its commands from standard input. */
export const LOGIN_SHELL = 'exec /bin/bash'

/** Runs a command until it ends; a client that leaves ends it. */
export function runCommand(channel: ServerChannel, confinement: Confinement, command: string): void {
  const [file, ...args] = confinement.argv(command)
  const child = spawn(file!, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
  // A command that does not read its input to the end is no failure.
  child.stdin.on('error', () => undefined)
  channel.pipe(child.stdin)
  child.stdout.pipe(channel, { end: false })
  child.stderr.pipe(channel.stderr, { end: false })
  channel.on('error', () => undefined)
  channel.once('close', () => killGroup(child))
  child.once('error', error => {
    channel.stderr.write(`${error.message}\n`)
    finish(channel, 127)
  })
  child.once('close', (code, signal) => finish(channel, code ?? 128 + constants.signals[signal!]))
}

function finish(channel: ServerChannel, code: number): void {
  if (channel.destroyed) return
  channel.exit(code)
  channel.end()
}

/** With namespaces, their first process; otherwise also what the command started. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
