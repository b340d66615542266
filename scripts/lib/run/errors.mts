import { printable, printableLine } from './printable.mts'

/** Exit codes of every command; documented in docs/exit-codes.md. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Invalid config or template. */
  invalid: 3,
  /** Credentials or privilege. */
  denied: 4,
  /** Locked by another run. */
  locked: 5,
  /** Some of many failed. */
  partial: 7,
  interrupted: 130,
} as const

export type Facts = Record<string, string | number | undefined>

export interface ErrorDetails {
  /** Details of the failure, printed as one labelled line each. */
  facts?: Facts | undefined
  /** Next step for the user, a command if possible. */
  hint?: string | undefined
  cause?: unknown
  exitCode?: number | undefined
}

/** The one error class. `message` says what failed; facts, cause and hint say why and what to do. */
export class ProxmintError extends Error {
  readonly facts: Facts
  readonly hint: string | undefined
  readonly exitCode: number

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'ProxmintError'
    this.facts = details.facts ?? {}
    this.hint = details.hint
    this.exitCode = details.exitCode ?? exitCodes.failed
  }
}

/** Message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Code of a system error (`ENOENT`, `ECONNREFUSED`) in the error or one of its causes. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return codeOf(error.cause)
}

/** Error for an interruption by the user or the system (exit code 130). */
export function interrupted(what: string): ProxmintError {
  return new ProxmintError(`interrupted: ${what}`, { exitCode: exitCodes.interrupted })
}

/** Text of an error for a person, ready to be printed: `error:`, the indented facts, `hint:`. */
export function formatError(error: unknown): string {
  const lines = [`error: ${indented(messageOf(error))}`]
  if (error instanceof ProxmintError) {
    for (const [label, value] of Object.entries(error.facts)) {
      if (value !== undefined) lines.push(`  ${printableLine(label)}: ${printableLine(String(value))}`)
    }
    if (error.hint !== undefined) lines.push(`hint: ${indented(error.hint)}`)
  } else if (error instanceof Error && error.stack !== undefined) {
    lines.push(error.stack.split('\n').slice(1).join('\n'))
    lines.push('hint: this is a defect of proxmint; please report it with the lines above')
  }
  return printable(lines.join('\n'))
}

/** Indents the lines after the first, so that text from outside forges no `hint:` of its own. */
function indented(text: string): string {
  return text.replaceAll(/\r?\n(?=\S)/g, '\n  ')
}
