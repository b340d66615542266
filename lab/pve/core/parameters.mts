/** Methods and parameters of API operations. Errors have the texts of Proxmox (PVE/JSONSchema.pm). */

import { parameterError } from './errors.mts'
import { dnsNameFormat, idOf, nodeFormat, userIdFormat, vmidFormat } from './formats.mts'
import { findProperty, type Properties, type Property, type Verifier } from './property.mts'
import { checkProperties } from './property-string.mts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export type Parameters = Properties

type ValueOf<P extends Property> = P['type'] extends 'integer' | 'number'
  ? number
  : P['type'] extends 'boolean'
    ? boolean
    : P['type'] extends 'array'
      ? string[]
      : string

/** Validated values of parameters. */
export type Values<S extends Parameters> = {
  [K in keyof S as S[K] extends { optional: true } ? never : K]: ValueOf<S[K]>
} & {
  [K in keyof S as S[K] extends { optional: true } ? K : never]?: ValueOf<S[K]>
}

/** Parameters as the client sent them. Query, form and JSON bodies all become texts or lists of texts. */
export type RawParameters = Record<string, string | string[]>

export const text = { type: 'string' } as const
export const integer = { type: 'integer' } as const
export const flag = { type: 'boolean' } as const

export function optional<P extends Property>(parameter: P): P & { readonly optional: true } {
  return { ...parameter, optional: true } as const
}

/** Splits a list in one text: `a,b c;d`. */
export function splitList(value: string | undefined): string[] {
  return (value ?? '').split(/[,;\s]+/).filter(Boolean)
}

/** Makes the check of a list in one text. */
export function listOf(verify: Verifier): Verifier {
  const verifyAll = (value: string): string | undefined =>
    splitList(value)
      .map(verify)
      .find(fault => fault !== undefined)
  return Object.assign(verifyAll, { isList: true as const })
}

/** Declares a family of keys: `net[n]` with a count of 32 is `net0` to `net31`. */
export function family<P extends Property>(count: number, parameter: P): P & { count: number } {
  return { ...parameter, count }
}

export const nodeName = { type: 'string', format: nodeFormat } as const
export const vmid = { type: 'integer', format: vmidFormat, minimum: 100, maximum: 999_999_999 } as const
export const storageId = { type: 'string', format: idOf('storage') } as const
export const dnsName = { type: 'string', format: dnsNameFormat } as const
export const userId = { type: 'string', format: userIdFormat } as const

function convert(parameter: Property, value: string | string[]): unknown {
  if (parameter.type === 'array') return [value].flat()
  if (parameter.type === 'boolean') return value === '1'
  return parameter.type === 'string' ? value : Number(value)
}

/** A single value of an array parameter is a list of one. */
function asSent(schema: Parameters, raw: RawParameters): RawParameters {
  return Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [
      key,
      findProperty(schema, key)?.type === 'array' ? [value].flat() : value,
    ]),
  )
}

/** Selects the parameters that the schema names. */
export function knownIn(schema: Parameters, raw: RawParameters): RawParameters {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => findProperty(schema, key) !== undefined))
}

/** Checks and converts all parameters. @throws {ApiError} 400 with one text per wrong parameter. */
export function validate<S extends Parameters>(schema: S, raw: RawParameters): Values<S> {
  const faults = checkProperties(schema, asSent(schema, raw))
  if (Object.keys(faults).length > 0) throw parameterError(faults)
  const entries = Object.entries(raw).map(([key, value]) => [key, convert(findProperty(schema, key)!, value)])
  return Object.fromEntries(entries) as Values<S>
}
