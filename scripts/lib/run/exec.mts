import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { ProxmintError } from './errors.mts'
import { redact } from './redact.mts'

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

/** One line for a person: the command with its directory and the names (never values) of its variables. */
export function describeCommand(plan: CommandPlan): string {
  const variables = Object.entries(plan.env ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `${name}=...`)
  const command = [...variables, plan.file, ...plan.args].map(word => quote(redact(word))).join(' ')
  return plan.cwd === undefined ? command : `(cd ${quote(plan.cwd)} && ${command})`
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/**
 * Spawns the plan and waits for its end; a non-zero code is a result, not an error.
 * @throws ProxmintError when the program cannot be started.
 */
export async function runCommand(plan: CommandPlan, options: RunOptions = {}): Promise<CommandResult> {
  const child = spawn(plan.file, plan.args, {
    cwd: plan.cwd,
    env: childEnv(plan.env),
    stdio: [plan.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    // Its own process group: Ctrl-C at the terminal reaches the child only through us, once.
    detached: true,
  })
  if (child.stdin !== null && plan.input !== undefined) {
    child.stdin.on('error', () => {})
    child.stdin.end(plan.input)
  }
  const stop = stopOn(child, options)
  try {
    const result = finish(child, plan, options, stop)
    if (child.pid !== undefined) await started(child, child.pid, options, result)
    return await result
  } finally {
    stop.cancel()
  }
}

/** A child that nobody could note must not go on: no later run would find it. */
async function started(
  child: ChildProcess,
  pid: number,
  { onStart }: RunOptions,
  ended: Promise<CommandResult>,
): Promise<void> {
  try {
    await onStart?.(pid)
  } catch (error) {
    signalGroup(child, 'SIGKILL')
    await ended
    throw error
  }
}

/** What logs in, signs or decrypts: a plan hands it to the one program that it is for. */
export const secretVariables = [
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
  const none = Object.fromEntries(secretVariables.map(name => [name, undefined]))
  const env: NodeJS.ProcessEnv = { ...process.env, ...none, ...extra }
  for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name]
  return env
}

interface Stopper {
  timedOut: boolean
  cancel(): void
}

function stopOn(child: ChildProcess, options: RunOptions): Stopper {
  const timers: NodeJS.Timeout[] = []
  const interrupt = (): void => {
    signalGroup(child, 'SIGINT')
    timers.push(setTimeout(() => signalGroup(child, 'SIGKILL'), options.graceMs ?? 60_000))
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

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group ended between the check and the signal.
  }
}

function finish(
  child: ChildProcess,
  plan: CommandPlan,
  options: RunOptions,
  stopper: Stopper,
): Promise<CommandResult> {
  const stdout = collect(child.stdout, options.onLine)
  const stderr = collect(child.stderr, options.onLine)
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(cannotStart(plan, error)))
    child.once('exit', (_, signal) => {
      // It had no time to end what it had started, as OpenTofu does with its provider.
      if (signal === 'SIGKILL') signalGroup(child, 'SIGKILL')
    })
    child.once('close', (code, signal) => {
      resolve({
        code: code ?? (signal === 'SIGINT' ? 130 : 137),
        stdout: stdout.join('\n'),
        stderr: stderr.join('\n'),
        timedOut: stopper.timedOut,
      })
    })
  })
}

function collect(stream: NodeJS.ReadableStream | null, onLine: RunOptions['onLine']): string[] {
  const lines: string[] = []
  if (stream !== null) {
    const reader = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
    reader.on('line', line => {
      lines.push(line)
      onLine?.(redact(line))
    })
    // A pipe that breaks ends the output; how the child ended tells the rest.
    reader.on('error', () => reader.close())
  }
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
