/** Descriptions of values, as in Proxmox's schema (PVE/JSONSchema.pm). */

export type PropertyType = 'string' | 'integer' | 'number' | 'boolean' | 'array'

/** Checks a text. */
export interface Verifier {
  /** Returns the fault of a wrong value without a line break, undefined for a right one. */
  (value: string): string | undefined
  /** The text is a list. Of such a one, a client may send the elements as an array. */
  readonly isList?: true
}

/** Describes a text of `key=value` parts. */
export interface PropertyFormat {
  properties: Properties
  /** Checks all values together. Returns the fault, undefined if they fit. */
  verify?: (values: Record<string, string>) => string | undefined
}

export interface Property {
  type: PropertyType
  optional?: true
  /** Form of a text: one value, or a text of `key=value` parts. */
  format?: Verifier | PropertyFormat
  pattern?: RegExp
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  enum?: readonly string[]
  /** Elements of an array. */
  items?: Property
  /** Key without which this one is refused. */
  requires?: string
  /** In a property string: a part without `=` is the value of this key. */
  defaultKey?: true
  /** In a property string: the key whose value this key gives. */
  alias?: string
  /** With `alias`: the key whose value is the name of this key. `virtio=MAC` is `model=virtio,macaddr=MAC`. */
  keyAlias?: string
  /** Of a family such as `net[n]`: the number of its members. Default: no limit. */
  count?: number
}

export type Properties = Record<string, Property>

/** Finds the property of a key. A family has one for all of its members: `net7` finds `net[n]`. */
export function findProperty<P extends Property>(properties: Record<string, P>, key: string): P | undefined {
  if (Object.hasOwn(properties, key)) return properties[key]
  const [, name, index] = /^(.*?)(0|[1-9]\d*)$/.exec(key) ?? []
  const family = name === undefined ? undefined : properties[`${name}[n]`]
  return family && Number(index) < (family.count ?? Number.POSITIVE_INFINITY) ? family : undefined
}
