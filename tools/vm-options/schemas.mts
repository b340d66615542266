/** The JSON schemas that follow from the table of VM options. */

import {
  MAP_NAME,
  type RecordField,
  type VmOption,
  type VmOptionTable,
} from '../../scripts/lib/config/vm-option.mts'
import { NEVER } from '../../scripts/lib/run/duration.mts'
import { helpWithUnit } from '../../scripts/lib/vm/flags.mts'

type Schema = Record<string, unknown>

const draft = 'http://json-schema.org/draft-07/schema#'

/** Builds the schema of config/vm.yaml. */
export function vmSchema(table: VmOptionTable): Schema {
  const options = Object.values(table).flatMap(option => {
    const { fileKey } = option.names
    return fileKey === undefined ? [] : [{ path: fileKey.split('.'), schema: withDefault(option) }]
  })
  return { $schema: draft, title: 'proxmint VM defaults', ...objectOf(options) }
}

/** Builds the schema of fleet files. */
export function fleetSchema(table: VmOptionTable): Schema {
  const options = Object.values(table).flatMap(option => {
    const { fleetKey } = option.names
    return fleetKey === undefined ? [] : [{ path: [fleetKey], schema: fleetProperty(option) }]
  })
  return {
    $schema: draft,
    title: 'proxmint fleet of VMs',
    type: 'object',
    additionalProperties: false,
    required: ['vms'],
    properties: {
      vms: {
        type: 'object',
        minProperties: 1,
        propertyNames: { pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' },
        additionalProperties: { ...objectOf(options), type: ['object', 'null'] },
      },
    },
  }
}

/** Keys of an object, with sections inside for paths of several keys. */
function objectOf(options: { path: string[]; schema: Schema }[]): Schema {
  const heads = [...new Set(options.map(({ path }) => path[0]!))]
  const properties = heads.map(head => {
    const under = options.filter(({ path }) => path[0] === head)
    const leaf = under.find(({ path }) => path.length === 1)
    const inside = under.map(({ path, schema }) => ({ path: path.slice(1), schema }))
    return [head, leaf?.schema ?? objectOf(inside)]
  })
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) }
}

function withDefault(option: VmOption): Schema {
  const { default: fallback } = option
  return {
    description: helpWithUnit(option),
    ...valueSchema(option),
    ...(fallback !== undefined && { default: fallback }),
  }
}

function fleetProperty(option: VmOption): Schema {
  const meaning = option.onWhen === undefined ? '' : `${option.onWhen}: `
  return { description: `${meaning}${helpWithUnit(option)}`, ...valueSchema(option) }
}

function valueSchema(option: VmOption): Schema {
  if (option.kind === 'integer') {
    const { min, max, never } = option.range
    const integer = { type: 'integer', minimum: min, maximum: max }
    return never ? { anyOf: [integer, { const: NEVER }] } : integer
  }
  if (option.kind === 'number') return numberSchema(option)
  if (option.kind === 'switch' || option.kind === 'toggle') return { type: 'boolean' }
  if (option.kind === 'map')
    return { type: 'object', propertyNames: { pattern: MAP_NAME }, additionalProperties: textSchema(option) }
  if (option.kind === 'records') return { type: 'array', items: recordSchema(option.fields) }
  return option.kind === 'list' ? { type: 'array', items: textSchema(option) } : textSchema(option)
}

function numberSchema({ kind, range: { min, max } }: Ranged): Schema {
  return { type: kind, minimum: min, maximum: max }
}

interface Ranged {
  kind: 'integer' | 'number'
  range: { min: number; max: number }
}

function recordSchema(fields: Readonly<Record<string, RecordField>>): Schema {
  const options = Object.entries(fields).map(([key, field]) => ({ path: [key], schema: fieldSchema(field) }))
  const required = Object.keys(fields).filter(key => fields[key]!.required)
  return { ...objectOf(options), ...(required.length > 0 && { required }) }
}

function fieldSchema(field: RecordField): Schema {
  const value =
    field.kind === 'toggle'
      ? { type: 'boolean' }
      : field.kind === 'text'
        ? textSchema(field)
        : numberSchema(field)
  return { description: helpWithUnit(field), ...value }
}

function textSchema({
  choices,
  pattern,
  mayBeEmpty,
}: Pick<VmOption, 'choices' | 'pattern' | 'mayBeEmpty'>): Schema {
  if (choices !== undefined) return { type: 'string', enum: choices }
  if (pattern !== undefined) return { type: 'string', pattern }
  return mayBeEmpty ? { type: 'string' } : { type: 'string', minLength: 1 }
}
