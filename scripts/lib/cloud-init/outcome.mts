/** Reads what cloud-init came to from the files that it leaves in a guest. */
import { printableLine } from '../run/printable.mts'
import { itemsOf, tableOf } from './parsed.mts'

/** Files of one boot. `result.json` is there as soon as cloud-init has ended. */
export const OUTCOME_FILES = {
  status: '/run/cloud-init/status.json',
  result: '/run/cloud-init/result.json',
  accounts: '/etc/passwd',
} as const

/** Contents of the files; undefined for one that is not there. */
export type OutcomeFiles = Record<keyof typeof OUTCOME_FILES, string | undefined>

interface CloudInitOutcome {
  /** `absent`: the guest has no cloud-init, or it has not begun. */
  state: 'absent' | 'running' | 'ended'
  /** Stage that runs, in cloud-init's words: `modules-final`. */
  stage: string | undefined
  /** Reasons why cloud-init failed, in its own words. */
  errors: string[]
  /** Other messages than deprecations. */
  warnings: string[]
}

const MAX_REASONS = 5
const MAX_CHARACTERS = 300

/** Reads the outcome. A file that is half written counts as not there. */
export function outcomeOf({ status, result }: OutcomeFiles): CloudInitOutcome {
  const [stages, end] = [firstVersion(status), firstVersion(result)]
  const tables = Object.values(stages ?? {}).map(tableOf)
  const errors = [...itemsOf(end?.['errors']), ...tables.flatMap(stage => itemsOf(stage['errors']))]
  const warnings = tables.flatMap(stage => warningsOf(tableOf(stage['recoverable_errors'])))
  const stage = stages?.['stage']
  return {
    state: end !== undefined ? 'ended' : stages !== undefined ? 'running' : 'absent',
    stage: typeof stage === 'string' ? stage : undefined,
    errors: readable(errors),
    warnings: readable(warnings),
  }
}

/** Finds the GECOS field of an account in the text of /etc/passwd; undefined if there is no such account. */
export function gecosOf(accounts: string, name: string): string | undefined {
  const fields = accounts.split('\n').map(line => line.split(':'))
  return fields.find(([account]) => account === name)?.[4]
}

/** Content below `v1`. */
function firstVersion(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const { v1 } = JSON.parse(text ?? '') as { v1?: unknown }
    return typeof v1 === 'object' && v1 !== null ? tableOf(v1) : undefined
  } catch {
    return undefined
  }
}

function warningsOf(byLevel: Record<string, unknown>): unknown[] {
  return Object.entries(byLevel).flatMap(([level, messages]) =>
    level === 'DEPRECATED' ? [] : itemsOf(messages),
  )
}

/** Each message once, as one line without control characters, and not too many of them. */
function readable(messages: unknown[]): string[] {
  return [...new Set(messages.map(message => oneLine(String(message))))].slice(0, MAX_REASONS)
}

/** Python shows a message inside of another one with its line breaks as `\n`. */
function oneLine(text: string): string {
  return printableLine(text.replaceAll(/\\[nrt]/g, '\n'), MAX_CHARACTERS)
}
