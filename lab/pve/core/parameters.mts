/** Parameters of API operations: what is allowed, and Proxmox's words when something is not. */

import { parameterError } from './errors.mts'

export type ParameterType = 'string' | 'integer' | 'number' | 'boolean' | 'array'

export interface Parameter {
  type: ParameterType
  optional?: true
  enum?: readonly string[]
  pattern?: RegExp
  minimum?: number
  maximum?: number
  /** Returns what is wrong with the value, or undefined when nothing is. */
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

/** The validated values of a parameter list. */
export type Values<S extends Parameters> = {
  [K in keyof S as S[K] extends { optional: true } ? never : K]: ValueOf<S[K]>
} & {
  [K in keyof S as S[K] extends { optional: true } ? K : never]?: ValueOf<S[K]>
}

/** As it came: query, form and JSON bodies all end as texts, or lists of texts. */
export type RawParameters = Record<string, string | string[]>

export const text = { type: 'string' } as const
export const integer = { type: 'integer' } as const
export const flag = { type: 'boolean' } as const

export function optional<P extends Parameter>(parameter: P): P & { readonly optional: true } {
  return { ...parameter, optional: true } as const
}

/** Lists in one text: `a,b c;d`. */
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

/** What is wrong with one value, in Proxmox's words; undefined when nothing is. */
function parameterFault(parameter: Parameter, value: string | string[]): string | undefined {
  if (parameter.type === 'array') return undefined
  if (Array.isArray(value)) return wrongType(parameter.type, value.join(','))
  return scalarFault(parameter, value)
}

function convert(parameter: Parameter, value: string | string[]): unknown {
  if (parameter.type === 'array') return [value].flat()
  if (parameter.type === 'boolean') return TRUE.test(String(value))
  return parameter.type === 'string' ? value : Number(value)
}

const UNKNOWN = 'property is not defined in schema and the schema does not allow additional properties'

/** Schemas may name families of keys, `net[n]`; `net7` finds its entry there. */
function findParameter(schema: Parameters, key: string): Parameter | undefined {
  return Object.hasOwn(schema, key) ? schema[key] : familyOf(schema, key)
}

function familyOf(schema: Parameters, key: string): Parameter | undefined {
  const family = key.replace(/\d+$/, '[n]')
  return Object.hasOwn(schema, family) ? schema[family] : undefined
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

/** Checks every parameter at once and converts the values; throws a 400 that names each fault. */
export function validate<S extends Parameters>(schema: S, raw: RawParameters): Values<S> {
  const faults = faultsOf(schema, raw)
  if (Object.keys(faults).length > 0) throw parameterError(faults)
  const entries = Object.entries(raw).map(([key, value]) => [
    key,
    convert(findParameter(schema, key)!, value),
  ])
  return Object.fromEntries(entries) as Values<S>
}
