/** Compares an answer with the recorded one: status, reason, texts, shape, types and the end of a task. */

import { isDeepStrictEqual } from 'node:util'
import type { StepAnswer } from './sequence.mts'

/** A place where two answers differ, and both values there. */
export interface Difference {
  /** `status`, `body.data[0].name` */
  at: string
  recorded: unknown
  here: unknown
}

/** Words of the format for values that differ from run to run and keep their type. */
const TYPES: Record<string, (value: unknown) => boolean> = {
  '<int>': Number.isInteger,
  '<float>': value => typeof value === 'number',
  '<str>': value => typeof value === 'string',
  '<list>': Array.isArray,
  '<dict>': value => value !== null && typeof value === 'object' && !Array.isArray(value),
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function differingKeys(
  recorded: Record<string, unknown>,
  here: Record<string, unknown>,
  at: string,
): Difference[] {
  const keys = new Set([...Object.keys(recorded), ...Object.keys(here)])
  return [...keys].flatMap(key => differences(recorded[key], here[key], `${at}.${key}`))
}

/** Compares lists as sets: their order is not part of an answer. */
function differingItems(recorded: unknown[], here: unknown[], at: string): Difference[] {
  const left = [...here]
  const missing = recorded.filter(each => {
    const index = left.findIndex(other => differences(each, other, '').length === 0)
    if (index >= 0) left.splice(index, 1)
    return index < 0
  })
  if (missing.length === 1 && left.length === 1) return differences(missing[0], left[0], `${at}[]`)
  return missing.length + left.length === 0 ? [] : [{ at: `${at}[]`, recorded: missing, here: left }]
}

/** Keys whose text is a list without an order: Perl writes the keys of a hash as they come. */
const UNORDERED = /\.(content|users|groups|nodes)$/

function sorted(value: unknown): unknown {
  return typeof value === 'string' ? value.split(',').sort().join(',') : value
}

function differences(recorded: unknown, here: unknown, at: string): Difference[] {
  if (UNORDERED.test(at) && sorted(recorded) === sorted(here)) return []
  if (typeof recorded === 'string' && TYPES[recorded]?.(here)) return []
  if (isObject(recorded) && isObject(here)) return differingKeys(recorded, here, at)
  if (Array.isArray(recorded) && Array.isArray(here)) return differingItems(recorded, here, at)
  return isDeepStrictEqual(recorded, here) ? [] : [{ at, recorded, here }]
}

/** Returns all differences of two normal answers. A log is compared only if one was recorded. */
export function compareAnswers(recorded: StepAnswer, here: StepAnswer): Difference[] {
  // The text for a closed connection is the client's own.
  if (recorded.status === 0 && here.status === 0) return []
  const { log: _, ...rest } = here
  return differences({ ...recorded }, recorded.log ? { ...here } : rest, '').map(each => ({
    ...each,
    at: each.at.slice(1),
  }))
}
