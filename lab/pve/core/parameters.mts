/** Methods and parameters of API operations. Errors have the texts of Proxmox (PVE/JSONSchema.pm). */

import { parameterError } from './errors.mts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

type ParameterType = 'string' | 'integer' | 'number' | 'boolean' | 'array'

interface Parameter {
  type: ParameterType
  optional?: true
  enum?: readonly string[]
  pattern?: RegExp
  minimum?: number
  maximum?: number
  /** Returns the error for a wrong value, undefined for a right one. */
  check?: (value: string) => string | undefined
}

export type Parameters = Record<string, Parameter>

type ValueOf<P extends Parameter> = P['type'] extends 'integer' | 'number'
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

export function optional<P extends Parameter>(parameter: P): P & { readonly optional: true } {
  return { ...parameter, optional: true } as const
}

/** Splits a list in one text: `a,b c;d`. */
export function splitList(value: string | undefined): string[] {
  return (value ?? '').split(/[,;\s]+/).filter(Boolean)
}

export const nodeName = { type: 'string', pattern: /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/ } as const
export const vmid = { type: 'integer', minimum: 100, maximum: 999_999_999 } as const
export const storageId = { type: 'string', pattern: /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i } as const
export const dnsName = {
  type: 'string',
  check: (value: string) =>
    /^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/.test(
      value,
    )
      ? undefined
      : 'invalid format - value does not look like a valid DNS name\n',
} as const
export const userId = {
  type: 'string',
  check: (value: string) =>
    /^[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+$/.test(value)
      ? undefined
      : `invalid format - value '${value}' does not look like a valid user name\n`,
} as const

const TRUE = /^(1|on|yes|true)$/i
const FALSE = /^(0|off|no|false)$/i

/** Checks a boolean of Proxmox: `1`, `on`, `yes` and `true` are true. */
export function isTrue(value: string): boolean {
  return TRUE.test(value)
}

function wrongType(type: ParameterType, value: string): string {
  return `type check ('${type}') failed - got '${value}'`
}

function rangeFault(parameter: Parameter, value: number): string | undefined {
  if (parameter.minimum !== undefined && value < parameter.minimum)
    return `value must have a minimum value of ${parameter.minimum}`
  if (parameter.maximum !== undefined && value > parameter.maximum)
    return `value must have a maximum value of ${parameter.maximum}`
  return undefined
}

function textFault(parameter: Parameter, value: string): string | undefined {
  if (parameter.enum && !parameter.enum.includes(value))
    return `value '${value}' does not have a value in the enumeration '${parameter.enum.join(', ')}'`
  if (parameter.pattern && !parameter.pattern.test(value)) return 'value does not match the regex pattern'
  return parameter.check?.(value)
}

function scalarFault(parameter: Parameter, value: string): string | undefined {
  switch (parameter.type) {
    case 'boolean':
      return TRUE.test(value) || FALSE.test(value) ? undefined : wrongType('boolean', value)
    case 'integer':
      return /^[+-]?\d+$/.test(value) ? rangeFault(parameter, Number(value)) : wrongType('integer', value)
    case 'number':
      return /^[+-]?\d+(\.\d+)?$/.test(value)
        ? rangeFault(parameter, Number(value))
        : wrongType('number', value)
    default:
      return textFault(parameter, value)
  }
}

/** Returns the error for a wrong value, undefined for a right one. */
function parameterFault(parameter: Parameter, value: string | string[]): string | undefined {
  if (parameter.type === 'array') return undefined
  if (Array.isArray(value)) return wrongType(parameter.type, value.join(','))
  return scalarFault(parameter, value)
}

function convert(parameter: Parameter, value: string | string[]): unknown {
  if (parameter.type === 'array') return [value].flat()
  if (parameter.type === 'boolean') return isTrue(String(value))
  return parameter.type === 'string' ? value : Number(value)
}

const UNKNOWN = 'property is not defined in schema and the schema does not allow additional properties'

/** Finds the entry of a key. A schema can have an entry for a family: `net7` finds `net[n]`. */
export function findParameter(schema: Parameters, key: string): Parameter | undefined {
  const name = Object.hasOwn(schema, key) ? key : key.replace(/\d+$/, '[n]')
  return Object.hasOwn(schema, name) ? schema[name] : undefined
}

function faultsOf(schema: Parameters, raw: RawParameters): Record<string, string> {
  const faults: Record<string, string> = Object.create(null)
  for (const [key, value] of Object.entries(raw)) {
    const parameter = findParameter(schema, key)
    const fault = parameter ? parameterFault(parameter, value) : UNKNOWN
    if (fault !== undefined) faults[key] = fault
  }
  for (const [key, parameter] of Object.entries(schema))
    if (!parameter.optional && !key.endsWith('[n]') && raw[key] === undefined)
      faults[key] = 'property is missing and it is not optional'
  return faults
}

/** Checks and converts all parameters. @throws {ApiError} 400 with one text per wrong parameter. */
export function validate<S extends Parameters>(schema: S, raw: RawParameters): Values<S> {
  const faults = faultsOf(schema, raw)
  if (Object.keys(faults).length > 0) throw parameterError(faults)
  const entries = Object.entries(raw).map(([key, value]) => [
    key,
    convert(findParameter(schema, key)!, value),
  ])
  return Object.fromEntries(entries) as Values<S>
}
