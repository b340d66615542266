/** Runs commands of proxmint for a trial, each as a process that the record names. */
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkpoint } from '../run/checkpoint.mts'
import { exitCodes, interrupted, ProxmintError } from '../run/errors.mts'
import { type CommandPlan, describeCommand, runCommand, SECRET_VARIABLES } from '../run/exec.mts'
import { killGroup, processCommand, signalGroup } from '../run/process.mts'
import { say, withProgress } from '../run/progress.mts'
import { ignoredVariables } from '../tools/passed-variables.mts'
import { type TrialRecord, writeRecord } from './record.mts'

const repository = resolve(import.meta.dirname, '../../..')

/** A command has this long to remove what it began, in milliseconds: Packer shuts its VM down and deletes it. */
const GRACE_MS = 5 * 60_000
/** A killed run loses its locks after 15 s. */
const LOCK_WAIT_MS = 30_000

/** State of a trial that runs commands. */
export interface Running {
  stateDir: string
  record: TrialRecord
  signal: AbortSignal
}

/** One moment of a trial, for the tests that kill it there, and how much is printed. */
interface Telling {
  step: string
  /** Print what the command prints only if it fails. */
  quiet?: boolean | undefined
}

/** A command of proxmint: the name of its script and its arguments. */
export type TrialCommand = [script: string, ...args: string[]]

/** Failure of a command; `words` are what it printed about it. */
export class CommandFailed extends ProxmintError {
  readonly words: string[]

  constructor(line: string, code: number, words: string[]) {
    super(`${line} ended with ${code}`, { exitCode: code })
    this.words = words
  }
}

/**
 * Runs a command in the project that this process is in, and prints what it prints.
 * @throws CommandFailed for any exit code but 0; ProxmintError (interrupted).
 */
export async function runTrialCommand(
  running: Running,
  { step, quiet = false }: Telling,
  typed: TrialCommand,
): Promise<void> {
  const [script, ...args] = typed
  const shown = describeCommand({ file: 'zx', args: [`scripts/${script}.mts`, ...args] })
  const words: string[] = []
  await withProgress(`$ ${shown}`, async progress => {
    const { code } = await runCommand(planCommand(typed), {
      signal: running.signal,
      graceMs: GRACE_MS,
      onStart: async pid => {
        await noteCommand(running, { pid, script: `${script}.mts` })
        checkpoint(`trial-${step}-begun`)
      },
      onLine: line => {
        words.push(line)
        progress.update(line)
        if (!quiet) say(`  ${line}`)
      },
    })
    await noteCommand(running, undefined)
    if (running.signal.aborted) throw interrupted(`trial, at ${shown}`)
    if (code === exitCodes.done) return
    if (quiet) for (const line of words) say(`  ${line}`)
    throw new CommandFailed(shown, code, reasonIn(words))
  })
}

/** Runs a command again while the locks of a killed run hold it up. */
export async function runUnlocked(running: Running, typed: TrialCommand): Promise<void> {
  const deadline = Date.now() + LOCK_WAIT_MS
  for (;;) {
    try {
      return await runTrialCommand(running, { step: 'clean' }, typed)
    } catch (error) {
      const isLocked = error instanceof CommandFailed && error.exitCode === exitCodes.locked
      if (!isLocked || Date.now() > deadline) throw error
      say('  the lock is that of a run which was killed; it ends within 15 s')
      await sleep(3000)
    }
  }
}

/** Plans a command by Node.js itself: of a chain of wrappers only the outermost would get the signal. */
export function planCommand([script, ...args]: TrialCommand, env = process.env): CommandPlan {
  const secrets = SECRET_VARIABLES.filter(name => name.startsWith('PROXMOX_'))
  // The trial has warned of these. Each command would warn once more.
  const ignored = (['terraform', 'packer'] as const).flatMap(program => ignoredVariables(program, env))
  return {
    file: process.execPath,
    args: [join(repository, 'scripts', `${script}.mts`), ...args],
    env: {
      ...Object.fromEntries(secrets.map(name => [name, env[name]])),
      ...Object.fromEntries(ignored.map(name => [name, undefined])),
    },
  }
}

async function noteCommand(running: Running, command: TrialRecord['command']): Promise<void> {
  running.record = await writeRecord(running.stateDir, { ...running.record, command })
}

/** The lines from `error:` on. Without one, the faults of `doctor`, with their fixes, or else the last lines. */
export function reasonIn(words: string[]): string[] {
  const first = words.findIndex(line => line.startsWith('error: '))
  if (first >= 0) return words.slice(first)
  let isFault = false
  const faults = words.filter(line => {
    if (/^\S/.test(line)) isFault = line.startsWith('FAULT ')
    return isFault
  })
  return faults.length > 0 ? faults : words.slice(-20)
}

/** Ends a command that outlived its trial: as by Ctrl-C first, so that it removes what it began. */
export async function endCommand({ command }: TrialRecord): Promise<void> {
  if (command === undefined || !(await stillRuns(command))) return
  say(`ends ${command.script}, which outlived the trial`)
  signalGroup(command.pid, 'SIGINT')
  const deadline = Date.now() + GRACE_MS
  while (Date.now() < deadline) {
    if (!(await stillRuns(command))) return
    await sleep(500)
  }
  await killGroup(command.pid, command.script)
}

/** The system reuses process ids: another program does not count. */
async function stillRuns({ pid, script }: NonNullable<TrialRecord['command']>): Promise<boolean> {
  return (await processCommand(pid))?.includes(script) === true
}
