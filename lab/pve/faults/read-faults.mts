/** Reads and checks faults from a file or a request. An error names the place and the accepted values. */

import { accepting, type Check, isRecord, matching, parseYaml, readInput } from '../../core/checks.mts'
import { LabUsageError } from '../../core/lab-error.mts'
import type { Fault, FaultKind, Match } from '../core/fault.mts'

function number(accepts: string, isRight: (value: number) => boolean): Check {
  return accepting(accepts, value => typeof value === 'number' && Number.isFinite(value) && isRight(value))
}

function whole(minimum: number, maximum = Number.MAX_SAFE_INTEGER): Check {
  return number(
    maximum === Number.MAX_SAFE_INTEGER
      ? `a whole number from ${minimum}`
      : `a whole number from ${minimum} to ${maximum}`,
    value => Number.isInteger(value) && value >= minimum && value <= maximum,
  )
}

function oneOf(...words: string[]): Check {
  return accepting(words.join(' or '), value => words.includes(String(value)))
}

const line = matching('one line of text', /^[^\n]+$/)
const seconds = number('a number of seconds from 0', value => value >= 0)
const when = oneOf('before', 'after')

const LIMITS: Record<string, Check> = {
  times: whole(1),
  after: whole(0),
  probability: number('a number from 0 to 1', value => value >= 0 && value <= 1),
  seed: whole(0),
}

const MATCH: Record<keyof Match, Check> = {
  method: oneOf('GET', 'POST', 'PUT', 'DELETE'),
  path: matching('a path below /api2/json that begins with /', /^\/(?!api2\b)\S*$/),
  vmid: whole(100, 999_999_999),
  task: matching('the type of a task such as qmclone', /^[a-z0-9_-]+$/i),
  storage: matching("a storage's id", /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i),
}

interface KindRule {
  fields: Record<string, Check>
  required?: string
  /** Keys of `match` that this kind accepts. */
  match: readonly (keyof Match)[]
}

const REQUEST = ['method', 'path', 'vmid'] as const
const WORK = [...REQUEST, 'task'] as const

const KINDS: Record<FaultKind, KindRule> = {
  'lock-timeout': { fields: { seconds }, match: WORK },
  error: { fields: { status: whole(400, 599), message: line, when }, match: REQUEST },
  'connection-reset': { fields: { when }, match: REQUEST },
  'expired-ticket': { fields: {}, match: REQUEST },
  'slow-task': { fields: { seconds }, required: 'seconds', match: WORK },
  'failing-task': { fields: { message: line, seconds, percent: whole(0, 100) }, match: WORK },
  'silent-agent': { fields: { seconds }, match: REQUEST },
  'docker0-first': {
    fields: { address: matching('an IPv4 address', /^\d{1,3}(\.\d{1,3}){3}$/) },
    match: REQUEST,
  },
  'disk-full': { fields: {}, match: [...WORK, 'storage'] },
  'clock-skew': {
    fields: { seconds: number('a number of seconds, negative for a clock that is behind', () => true) },
    required: 'seconds',
    match: [],
  },
}

function requireKnown(where: string, key: string, known: readonly string[]): void {
  if (!known.includes(key))
    throw refusal(`${where} has an unknown key \`${key}\``, `it takes ${known.join(', ')}`)
}

function requireRight(where: string, value: unknown, check: Check): void {
  const accepts = check(value)
  if (accepts !== undefined) throw refusal(`${where} is ${JSON.stringify(value)}`, `it takes ${accepts}`)
}

function refusal(message: string, hint: string): LabUsageError {
  return new LabUsageError(`the faults are not accepted: ${message}`, hint)
}

function checkMatch(where: string, kind: FaultKind, match: unknown): void {
  const known = KINDS[kind].match
  if (!isRecord(match)) throw refusal(`${where} is ${JSON.stringify(match)}`, `it takes ${known.join(', ')}`)
  for (const [key, value] of Object.entries(match)) {
    if (known.length === 0)
      throw refusal(`${where} limits ${kind}`, `${kind} strikes everything; leave \`match\` out`)
    requireKnown(`${where} of ${kind}`, key, known)
    requireRight(`${where}.${key}`, value, MATCH[key as keyof Match])
  }
}

function kindOf(where: string, fault: unknown): FaultKind {
  if (!isRecord(fault))
    throw refusal(`${where} is ${JSON.stringify(fault)}`, 'it takes `fault: KIND` and its settings')
  const { fault: kind } = fault
  if (typeof kind === 'string' && Object.hasOwn(KINDS, kind)) return kind as FaultKind
  throw refusal(
    `${where}.fault is ${JSON.stringify(kind)}`,
    `it takes one of ${Object.keys(KINDS).join(', ')}`,
  )
}

function checkFault(fault: unknown, index: number): Fault {
  const where = `[${index}]`
  const kind = kindOf(where, fault)
  const { fields, required, match } = KINDS[kind]
  const limits = match.length > 0 ? LIMITS : {}
  const checks: Record<string, Check> = { ...limits, ...fields }
  const { fault: _, match: wanted, ...rest } = fault as Record<string, unknown>
  if (wanted !== undefined) checkMatch(`${where}.match`, kind, wanted)
  for (const [key, value] of Object.entries(rest)) {
    requireKnown(`${where} (${kind})`, key, Object.keys(checks))
    requireRight(`${where}.${key}`, value, checks[key]!)
  }
  if (required !== undefined && rest[required] === undefined)
    throw refusal(`${where} (${kind}) has no \`${required}\``, `add \`${required}: 5\`, for example`)
  return fault as Fault
}

/** @throws {LabUsageError} that names the place of the first mistake and the accepted values. */
export function checkFaults(faults: unknown): Fault[] {
  if (!Array.isArray(faults))
    throw refusal(
      `they are ${faults === null ? 'empty' : typeof faults}`,
      'give a list, each beginning with `- fault: KIND`',
    )
  return faults.map(checkFault)
}

/** @throws {LabUsageError} if the text is not YAML or not a list of faults. */
export function parseFaults(text: string): Fault[] {
  const hint = 'write a YAML list, each beginning with `- fault: KIND`'
  return checkFaults(parseYaml(text, reason => refusal(reason, hint)))
}

/** @throws {LabUsageError} that also names the file. */
export function readFaults(path: string): Promise<Fault[]> {
  return readInput(path, '--fault takes a YAML list of faults', parseFaults)
}
