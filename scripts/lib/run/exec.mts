import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { $, type ProcessPromise, quote } from 'zx/core'
import { ProxmintError } from './errors.mts'
import { say } from './progress.mts'
import { redact } from './redact.mts'

const GRACE_MS = 60_000

/** A command as data: what `--dry-run` prints and `runCommand` spawns. Secrets go in `env` or `input`. */
export interface CommandPlan {
  file: string
  args: string[]
  /** Added to this process's environment, which lacks its secrets; `undefined` takes a variable away. */
  env?: Record<string, string | undefined> | undefined
  cwd?: string | undefined
  /** Written to the child's standard input. */
  input?: string | undefined
}

export interface RunOptions {
  /** Aborting sends SIGINT, as Ctrl-C would, and waits for the child to clean up. */
  signal?: AbortSignal | undefined
  /** Called with every line the child prints, secrets already replaced. */
  onLine?: ((line: string) => void) | undefined
  timeoutMs?: number | undefined
  /** Called with the process id, which is also the id of its process group. */
  onStart?: ((pid: number) => Promise<void>) | undefined
  /** How long an interrupted child may clean up before it is killed. Default 60 s. */
  graceMs?: number | undefined
}

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
  timedOut: boolean
}

/**
 * A command as a person types it, as a plan. Spaces in the text end a word, and nothing else has a meaning. A value is a
 * word or a part of one, whatever is in it; a list, which stands alone, is as many words.
 */
export function command(texts: TemplateStringsArray, ...values: (string | number | string[])[]): CommandPlan {
  let next = 0
  const words = texts.join('\0').trim().split(/\s+/)
  const [file, ...args] = words.flatMap(word => {
    const value = values[next]
    if (word === '\0' && Array.isArray(value)) {
      next += 1
      return value
    }
    return word.replaceAll('\0', () => String(values[next++]))
  })
  return { file: file!, args }
}

/** One line for a person: the command with its directory and the names (never values) of its variables. */
export function describeCommand(plan: CommandPlan): string {
  const variables = Object.entries(plan.env ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `${name}=...`)
  const line = [...variables, plan.file, ...plan.args].map(word => shellWord(redact(word))).join(' ')
  return plan.cwd === undefined ? line : `(cd ${shellWord(plan.cwd)} && ${line})`
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/**
 * Runs the plan by zx's `$` and waits for its end; a non-zero code is a result, not an error. Why its streams and its
 * interruption are our own: docs/decisions/0012-commands-by-zx.md.
 * @throws ProxmintError when the program cannot be started.
 */
export async function runCommand(plan: CommandPlan, options: RunOptions = {}): Promise<CommandResult> {
  const running = start(plan)
  const { child } = running
  const lines = {
    stdout: linesOf(child?.stdout, options.onLine),
    stderr: linesOf(child?.stderr, options.onLine),
  }
  const stop = stopOn(child, options)
  try {
    await noteStart(running, options)
    const { exitCode, signal, cause } = await running
    if (cause) throw cannotStart(plan, cause)
    return {
      code: exitCode ?? (signal === 'SIGINT' ? 130 : 137),
      stdout: lines.stdout.join('\n'),
      stderr: lines.stderr.join('\n'),
      timedOut: stop.timedOut,
    }
  } finally {
    stop.cancel()
  }
}

/** Starts the plan by `$`, with everything set that a variable `ZX_...` or an option of zx would change. */
function start(plan: CommandPlan): ProcessPromise {
  const running = $({
    // The program itself, without a shell between: the process id and the signals are its own.
    spawn: ((_command, _args, options) =>
      spawn(plan.file, plan.args, { ...options, shell: false })) as typeof spawn,
    // Its own process group: Ctrl-C at the terminal reaches the child only through us, once.
    detached: true,
    cwd: plan.cwd ?? process.cwd(),
    env: childEnv(plan.env),
    stdio: [plan.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    nothrow: true,
    timeout: 0,
    preferLocal: false,
    // zx takes it from bash, which may be missing.
    quote,
    store: { stdout: forgetful(), stderr: forgetful(), stdall: forgetful() },
    // `zx --verbose` shows the command; zx's own log would print its output with secrets.
    log: ({ kind }) => kind === 'cmd' && $.verbose && say(`$ ${describeCommand(plan)}`),
  })`${plan.file} ${plan.args}`
  feed(running.child, plan.input)
  running.child?.once('exit', (_, signal) => {
    // It had no time to end what it had started, as OpenTofu does with its provider.
    if (signal === 'SIGKILL') signalGroup(running.child, 'SIGKILL')
  })
  return running
}

/** A store for zx that keeps nothing. `linesOf` keeps the lines, and reads letters across the pieces of a stream. */
function forgetful(): Buffer[] {
  return Object.assign([], { push: () => 0 })
}

/** An empty input, too, ends the standard input; a child that reads nothing of it is no error. */
function feed(child: ChildProcess | undefined, input: string | undefined): void {
  child?.stdin?.on('error', () => {})
  child?.stdin?.end(input)
}

/** A child that nobody could note must not go on: no later run would find it. */
async function noteStart(running: ProcessPromise, { onStart }: RunOptions): Promise<void> {
  if (running.pid === undefined) return
  try {
    await onStart?.(running.pid)
  } catch (error) {
    signalGroup(running.child, 'SIGKILL')
    await running
    throw error
  }
}

/** Variables that log in, sign or decrypt: a plan hands each to the one program that it is for. */
export const SECRET_VARIABLES = [
  'PROXMOX_TOKEN',
  'PROXMOX_API_TOKEN',
  'PROXMOX_PASSWORD',
  'PROXMOX_SSH_PRIVATE_KEY',
  'PROXMOX_VE_API_TOKEN',
  'PROXMOX_VE_SSH_PRIVATE_KEY',
  'SOPS_AGE_KEY',
  'PROXMINT_SIGNER_PASSWORD',
  'PROXMINT_REGISTRY_URL',
  'PROXMINT_RPC_URL',
]

function childEnv(extra: CommandPlan['env']): NodeJS.ProcessEnv {
  const none = Object.fromEntries(SECRET_VARIABLES.map(name => [name, undefined]))
  const env: NodeJS.ProcessEnv = { ...process.env, ...none, ...extra }
  for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name]
  return env
}

interface Stopper {
  timedOut: boolean
  cancel(): void
}

function stopOn(child: ChildProcess | undefined, options: RunOptions): Stopper {
  const timers: NodeJS.Timeout[] = []
  const interrupt = (): void => {
    signalGroup(child, 'SIGINT')
    timers.push(setTimeout(() => signalGroup(child, 'SIGKILL'), options.graceMs ?? GRACE_MS))
  }
  const stopper: Stopper = {
    timedOut: false,
    cancel() {
      for (const timer of timers) clearTimeout(timer)
      options.signal?.removeEventListener('abort', interrupt)
    },
  }
  if (options.timeoutMs !== undefined) {
    timers.push(
      setTimeout(() => {
        stopper.timedOut = true
        interrupt()
      }, options.timeoutMs),
    )
  }
  if (options.signal?.aborted) interrupt()
  else options.signal?.addEventListener('abort', interrupt, { once: true })
  return stopper
}

/** Sends the signal once to each process of the group; zx's `kill` would send it twice to those below the child. */
function signalGroup(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group ended between the check and the signal.
  }
}

function linesOf(stream: NodeJS.ReadableStream | null | undefined, onLine: RunOptions['onLine']): string[] {
  const lines: string[] = []
  if (!stream) return lines
  const reader = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  reader.on('line', line => {
    lines.push(line)
    onLine?.(redact(line))
  })
  // A pipe that breaks ends the output; how the child ended tells the rest.
  reader.on('error', () => reader.close())
  return lines
}

function cannotStart(plan: CommandPlan, cause: NodeJS.ErrnoException): ProxmintError {
  const missing = cause.code === 'ENOENT'
  // The system tells a missing directory and a missing program by the same code.
  const noDirectory = missing && plan.cwd !== undefined && !existsSync(plan.cwd)
  const why = noDirectory ? 'no such directory' : missing ? 'no such program' : cause.message
  return new ProxmintError(`cannot start ${plan.file}: ${why}`, {
    facts: { directory: plan.cwd },
    hint:
      missing && !noDirectory ? 'run `make setup`, which finds or installs what proxmint needs' : undefined,
    cause,
  })
}
