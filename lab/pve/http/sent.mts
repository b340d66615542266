/** Turns the values that a client sent into texts for the schema's checks (PVE/RESTHandler.pm). */

import { parameterError } from '../core/errors.mts'
import type { Parameters, RawParameters } from '../core/parameters.mts'
import { findProperty, type Property } from '../core/property.mts'
import type { Sent } from './uri.mts'

/** Names a JSON value as Perl does. Returns undefined for a text or number. */
function perlType(value: unknown): string | undefined {
  if (typeof value === 'boolean') return 'JSON::PP::Boolean'
  return typeof value === 'object' && value !== null ? 'HASH' : undefined
}

/** Returns the fault of a JSON value that a form cannot hold. */
function faultOf(parameter: Property | undefined, value: unknown): string | undefined {
  const type = parameter?.type ?? 'string'
  const got = Array.isArray(value) ? undefined : perlType(value)
  return got === undefined || (type === 'boolean' && typeof value === 'boolean')
    ? undefined
    : `type check ('${type}') failed - got ${got}`
}

function textOf(value: unknown): string {
  return typeof value === 'boolean' ? String(Number(value)) : String(value ?? '')
}

/** Joins an array for a text that is a list. */
function rawOf(parameter: Property | undefined, value: unknown): string | string[] {
  if (!Array.isArray(value)) return textOf(value)
  const items = value.map(textOf)
  const { format } = parameter ?? {}
  return typeof format === 'function' && format.isList ? items.join(',') : items
}

/** @throws {ApiError} 400 for JSON values of a wrong type. */
export function toRaw(schema: Parameters, sent: Sent): RawParameters {
  const raw: RawParameters = Object.create(null)
  const faults: Record<string, string> = {}
  for (const [key, value] of Object.entries(sent)) {
    const parameter = findProperty(schema, key)
    if (value === undefined && parameter) continue
    const fault = faultOf(parameter, value)
    if (fault !== undefined) faults[key] = fault
    raw[key] = rawOf(parameter, value)
  }
  if (Object.keys(faults).length > 0) throw parameterError(faults)
  return raw
}
