/**
 * Checks values against their descriptions, and texts of the form `tank:8,discard=on` in which each key has a
 * description of its own. Faults have the texts of Proxmox (PVE/JSONSchema.pm).
 */

import { ApiError, failure } from './errors.mts'
import {
  findProperty,
  type Properties,
  type Property,
  type PropertyFormat,
  type PropertyType,
} from './property.mts'

type Value = string | string[]
type Faults = Record<string, string>

/** Collects faults by path. A second one of the same path follows after a backslash and an `n`, as Proxmox joins them. */
function addFault(faults: Faults, path: string, fault: string): void {
  const key = path || '_root'
  faults[key] = faults[key] === undefined ? fault : `${faults[key]}\\n${fault}`
}

function isNumber(value: string): boolean {
  return /^[+-]?(\d+\.\d+|\d+\.|\.\d+|\d+)([eE][+-]?\d+)?$/.test(value)
}

const TYPES: Record<PropertyType, (value: Value) => boolean> = {
  string: value => typeof value === 'string',
  integer: value => typeof value === 'string' && /^[+-]?\d+$/.test(value),
  number: value => typeof value === 'string' && isNumber(value),
  boolean: value => value === '0' || value === '1',
  array: Array.isArray,
}

function typeFault(type: PropertyType, value: Value): string | undefined {
  if (TYPES[type](value)) return undefined
  if (type === 'array') return "type check ('array') failed"
  return `type check ('${type}') failed - got ${Array.isArray(value) ? 'ARRAY' : `'${value}'`}`
}

/** Returns an error as Proxmox writes it into a text: the message, and a line for each key. */
function linesOf({ message, errors }: ApiError): string {
  return [message, ...Object.entries(errors ?? {}).map(([key, fault]) => `${key}: ${fault}`)].join('\n')
}

function formatFault(format: Property['format'], value: string, path: string): string | undefined {
  if (format === undefined || typeof format === 'function') return format?.(value)
  try {
    parsePropertyString(format, value, path)
    return undefined
  } catch (error) {
    if (error instanceof ApiError) return linesOf(error)
    throw error
  }
}

function lengthFault({ minLength, maxLength }: Property, value: string): string | undefined {
  const length = [...value].length
  if (maxLength !== undefined && length > maxLength) return `value may only be ${maxLength} characters long`
  if (minLength !== undefined && length < minLength)
    return `value must be at least ${minLength} characters long`
  return undefined
}

function rangeFault({ minimum, maximum }: Property, value: string): string | undefined {
  if (!isNumber(value)) return undefined
  if (maximum !== undefined && Number(value) > maximum) return `value must have a maximum value of ${maximum}`
  if (minimum !== undefined && Number(value) < minimum) return `value must have a minimum value of ${minimum}`
  return undefined
}

/** Checks one value, not an array. Returns the first fault, undefined for a right value. */
function scalarFault(property: Property, value: string, path: string): string | undefined {
  const fault = formatFault(property.format, value, path)
  if (fault !== undefined) return `invalid format - ${fault}\n`
  if (property.pattern && !property.pattern.test(value)) return 'value does not match the regex pattern'
  const other = lengthFault(property, value) ?? rangeFault(property, value)
  if (other !== undefined) return other
  if (property.enum && !property.enum.includes(value))
    return `value '${value}' does not have a value in the enumeration '${property.enum.join(', ')}'`
  return undefined
}

function faultsOfValue(property: Property, value: Value, path: string): [path: string, fault: string][] {
  const fault = typeFault(property.type, value)
  if (fault !== undefined) return [[path, fault]]
  if (Array.isArray(value))
    return value.flatMap((item, index) =>
      property.items ? faultsOfValue(property.items, item, `${path}[${index}]`) : [],
    )
  const other = scalarFault(property, value, path)
  return other === undefined ? [] : [[path, other]]
}

const UNKNOWN = 'property is not defined in schema and the schema does not allow additional properties'

/**
 * Checks values against the descriptions of their keys.
 * @param path prefix of the keys in faults, such as `scsi0`; empty for the parameters of a request.
 * @returns faults by path; none if all is well.
 */
export function checkProperties(properties: Properties, values: Record<string, Value>, path = ''): Faults {
  const faults: Faults = Object.create(null)
  const pathOf = (key: string): string => (path ? `${path}.${key}` : key)
  for (const [key, { optional, alias }] of Object.entries(properties))
    if (!optional && alias === undefined && values[key] === undefined && !key.endsWith('[n]'))
      addFault(faults, pathOf(key), 'property is missing and it is not optional')
  for (const [key, value] of Object.entries(values)) {
    const property = findProperty(properties, key)
    if (!property) addFault(faults, pathOf(key), UNKNOWN)
    else for (const each of faultsOfValue(property, value, pathOf(key))) addFault(faults, ...each)
    const { requires } = property ?? {}
    if (requires !== undefined && values[requires] === undefined)
      addFault(faults, pathOf(requires), `missing property required by '${pathOf(key)}'`)
  }
  return faults
}

/** Parses a boolean as it may stand in a property string or a config: `1`, `on`, `yes` and `true` are true. */
function parseBoolean(value: string): boolean | undefined {
  if (/^(1|on|yes|true)$/i.test(value)) return true
  return /^(0|off|no|false)$/i.test(value) ? false : undefined
}

function normalize(property: Property | undefined, value: string): string {
  const flag = property?.type === 'boolean' ? parseBoolean(value) : undefined
  return flag === undefined ? value : flag ? '1' : '0'
}

const DUPLICATE = 'duplicate key in comma-separated list property:'

function setKeyed(properties: Properties, values: Record<string, string>, key: string, value: string): void {
  if (values[key] !== undefined) throw failure(`${DUPLICATE} ${key}`)
  const property = findProperty(properties, key)
  const { alias, keyAlias } = property ?? {}
  if (alias === undefined) {
    values[key] = normalize(property, value)
    return
  }
  if (keyAlias !== undefined) {
    if (values[keyAlias] !== undefined) throw failure(`key alias '${keyAlias}' is already defined`)
    values[keyAlias] = key
  }
  if (values[alias] !== undefined) throw failure(`key '${alias}' is already defined (via alias)`)
  values[alias] = normalize(properties[alias], value)
}

function defaultKeyOf(properties: Properties): string | undefined {
  return Object.keys(properties).find(key => properties[key]!.defaultKey)
}

function setDefault(properties: Properties, values: Record<string, string>, value: string): void {
  const key = defaultKeyOf(properties)
  if (key === undefined) throw failure('value without key, but schema does not define a default key')
  if (values[key] !== undefined) throw failure(`${DUPLICATE} ${key}`)
  values[key] = normalize(properties[key], value)
}

function splitParts(properties: Properties, text: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null)
  for (const part of text.split(',').filter(each => each.trim() !== '')) {
    const [, key, value] = /^([^=]+)=([^\n]+)\n?$/.exec(part) ?? []
    if (key !== undefined && value !== undefined) setKeyed(properties, values, key, value)
    else if (part.includes('=')) throw failure('missing key in comma-separated list property')
    else setDefault(properties, values, part)
  }
  return values
}

/**
 * Parses and checks a text such as `tank:8,discard=on`. Aliases get the names that they stand for, booleans are `0` or `1`.
 * @param path prefix of the keys in errors.
 * @throws {ApiError} for a wrong text; `errors` has one text per wrong key.
 */
export function parsePropertyString(
  { properties, verify }: PropertyFormat,
  text: string,
  path = '',
): Record<string, string> {
  const values = splitParts(properties, text)
  const faults = checkProperties(properties, values, path)
  if (Object.keys(faults).length > 0) throw new ApiError(500, 'format error', faults)
  const fault = verify?.(values)
  if (fault !== undefined) throw failure(fault)
  return values
}

/** Orders keys: first the one that may stand without a name, then those that must be there, then the others. */
function orderedKeys(properties: Properties, values: Record<string, string>): string[] {
  const first = defaultKeyOf(properties)
  const rank = (key: string): number => (key === first ? 0 : properties[key]?.optional ? 2 : 1)
  return Object.keys(values)
    .sort()
    .sort((a, b) => rank(a) - rank(b))
}

/** Finds the pair of keys that one part can give: `virtio=MAC` gives `model` and `macaddr`. */
function combinedKeys(properties: Properties): { keyAlias: string; alias: string } | undefined {
  const { keyAlias, alias } =
    Object.values(properties).find(property => property.keyAlias !== undefined) ?? {}
  return keyAlias === undefined || alias === undefined ? undefined : { keyAlias, alias }
}

/** Writes values that `parsePropertyString` gave, in Proxmox's order. @throws {ApiError} for a value with a comma. */
export function printPropertyString({ properties }: PropertyFormat, values: Record<string, string>): string {
  const first = defaultKeyOf(properties)
  const pair = combinedKeys(properties)
  const isPair = pair && values[pair.keyAlias] !== undefined && values[pair.alias] !== undefined
  const write = (key: string): string => {
    const value = values[key]!
    if (value.includes(',')) throw failure(`illegal value with commas for ${key}`)
    if (isPair && key === pair.keyAlias) return `${value}=${values[pair.alias]}`
    return key === first ? value : `${key}=${value}`
  }
  const keys = orderedKeys(properties, values)
  return keys
    .filter(key => !(isPair && key === pair.alias))
    .map(write)
    .join(',')
}
