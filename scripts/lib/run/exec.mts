import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { $, type ProcessPromise, quote } from 'zx/core'
import { ProxmintError } from './errors.mts'
import { say } from './progress.mts'
import { redact } from './redact.mts'

const GRACE_MS = 60_000

/** Command as data: `--dry-run` prints it, `runCommand` runs it. Secrets go in `env` or `input`, never in `args`. */
export interface CommandPlan {
  file: string
  args: string[]
  /** Variables added to this process's environment without its secrets; `undefined` removes a variable. */
  env?: Record<string, string | undefined> | undefined
  /**
   * Variables of this process's environment that the child gets; `AWS_*` stands for every name with that beginning.
   * Default: all but `SECRET_VARIABLES`.
   */
  inherits?: readonly string[] | undefined
  cwd?: string | undefined
  /** Written to the child's standard input. */
  input?: string | undefined
}

export interface RunOptions {
  /** An abort sends SIGINT, as Ctrl-C does, and waits for the child to clean up. */
  signal?: AbortSignal | undefined
  /** Receives every line that the child prints, with secrets replaced. */
  onLine?: ((line: string) => void) | undefined
  timeoutMs?: number | undefined
  /** Receives the process id, which is also the id of the process group. */
  onStart?: ((pid: number) => Promise<void>) | undefined
  /** Time in milliseconds between SIGINT and SIGKILL. Default 60 s. */
  graceMs?: number | undefined
}

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
  timedOut: boolean
}

/**
 * Template tag that turns a command line into a plan. Only spaces of the text separate words; there is no other syntax.
 * A value is one word or a part of one, whatever characters it holds. A list must stand alone: each item is a word.
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

/** Command as one line for a person, with its directory and the names of its variables, never their values. */
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
 * Runs the plan with zx's `$` and waits for its end. A non-zero exit code is a result, not an error.
 * docs/decisions/0012-commands-by-zx.md explains why streams and signals are handled here.
 * @throws ProxmintError If the program cannot be started.
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

/** Starts the plan with `$`. Sets every option that a variable `ZX_...` could change otherwise. */
function start(plan: CommandPlan): ProcessPromise {
  const running = $({
    // zx looks for bash if a variable sets this to false.
    shell: true,
    // No shell: the process id is the program's own, and signals reach the program.
    spawn: ((_command, _args, options) =>
      spawn(plan.file, plan.args, { ...options, shell: false })) as typeof spawn,
    // Own process group: Ctrl-C at the terminal reaches the child once, through this process.
    detached: true,
    cwd: plan.cwd ?? process.cwd(),
    env: childEnv(plan),
    stdio: [plan.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    nothrow: true,
    timeout: 0,
    preferLocal: false,
    // zx sets it only if it finds bash.
    quote,
    store: { stdout: forgetful(), stderr: forgetful(), stdall: forgetful() },
    // `zx --verbose` shows the command. zx's own log would also print the output, with secrets.
    log: ({ kind }) => kind === 'cmd' && $.verbose && say(`$ ${describeCommand(plan)}`),
  })`${plan.file} ${plan.args}`
  feed(running.child, plan.input)
  running.child?.once('exit', (_, signal) => {
    // A killed child leaves its own children behind, such as OpenTofu its provider.
    if (signal === 'SIGKILL') signalGroup(running.child, 'SIGKILL')
  })
  return running
}

/** Empty store for zx. `linesOf` keeps the lines instead; it also decodes letters that are split between two chunks. */
function forgetful(): Buffer[] {
  return Object.assign([], { push: () => 0 })
}

/** Writes the input and closes the child's standard input. A child may ignore the input. */
function feed(child: ChildProcess | undefined, input: string | undefined): void {
  child?.stdin?.on('error', () => {})
  child?.stdin?.end(input)
}

/** Calls `onStart`. Kills the child if that fails: no later run could find it. */
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

/** Variables with secrets. A child gets one only if its plan names it. */
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

function childEnv({ env = {}, inherits }: Pick<CommandPlan, 'env' | 'inherits'>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !SECRET_VARIABLES.includes(name) && (inherits === undefined || matchesName(name, inherits)),
  )
  const all = Object.entries({ ...Object.fromEntries(inherited), ...env })
  return Object.fromEntries(all.filter(([, value]) => value !== undefined))
}

/** Checks whether a name is in a list, in which `AWS_*` stands for every name with that beginning. */
export function matchesName(name: string, list: readonly string[]): boolean {
  return list.some(known => (known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known))
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

/** Sends the signal once to each process of the group. zx's `kill` would signal the child's children twice. */
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
  // A broken pipe ends the output. The exit code of the child decides.
  reader.on('error', () => reader.close())
  return lines
}

function cannotStart(plan: CommandPlan, cause: NodeJS.ErrnoException): ProxmintError {
  const missing = cause.code === 'ENOENT'
  // ENOENT means a missing directory or a missing program.
  const noDirectory = missing && plan.cwd !== undefined && !existsSync(plan.cwd)
  const why = noDirectory ? 'no such directory' : missing ? 'no such program' : cause.message
  return new ProxmintError(`cannot start ${plan.file}: ${why}`, {
    facts: { directory: plan.cwd },
    hint:
      missing && !noDirectory ? 'run `make setup`, which finds or installs what proxmint needs' : undefined,
    cause,
  })
}
