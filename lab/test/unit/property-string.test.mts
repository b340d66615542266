import { expect, test } from 'vitest'
import { ipv4, macAddress } from '../../pve/core/formats.mts'
import type { PropertyFormat } from '../../pve/core/property.mts'
import { checkProperties, parsePropertyString, printPropertyString } from '../../pve/core/property-string.mts'

const card: PropertyFormat = {
  properties: {
    model: { type: 'string', enum: ['virtio', 'e1000'], defaultKey: true },
    virtio: { type: 'string', keyAlias: 'model', alias: 'macaddr' },
    e1000: { type: 'string', keyAlias: 'model', alias: 'macaddr' },
    macaddr: { type: 'string', optional: true, format: macAddress },
    tag: { type: 'integer', optional: true, minimum: 1, maximum: 4094 },
    up: { type: 'boolean', optional: true },
    gw: { type: 'string', optional: true, format: ipv4, requires: 'tag' },
  },
}

/** Returns the text that the API gives for a wrong value of the parameter `net0`. */
function faultOf(text: string): string | undefined {
  return checkProperties({ net0: { type: 'string', format: card } }, { net0: text })['net0']
}

test.each([
  ['virtio', 'virtio'],
  ['model=virtio,macaddr=02:00:00:00:00:01', 'virtio=02:00:00:00:00:01'],
  ['tag=5,up=yes,,e1000=02:00:00:00:00:01,', 'e1000=02:00:00:00:00:01,tag=5,up=1'],
])('%s is written as %s', (text, written) => {
  expect(printPropertyString(card, parsePropertyString(card, text))).toBe(written)
})

test.each([
  ['', 'net0.model: property is missing and it is not optional\n'],
  ['ne2k', "net0.model: value 'ne2k' does not have a value in the enumeration 'virtio, e1000'\n"],
  ['virtio,tag=0', 'net0.tag: value must have a minimum value of 1\n'],
  ['virtio,tag=5000', 'net0.tag: value must have a maximum value of 4094\n'],
  ['virtio,tag=x', "net0.tag: type check ('integer') failed - got 'x'\n"],
  ['virtio,up=2', "net0.up: type check ('boolean') failed - got '2'\n"],
  ['virtio,gw=1.1.1.1', "net0.tag: missing property required by 'net0.gw'\n"],
  [
    'virtio=01:00:00:00:00:01',
    'net0.macaddr: invalid format - value does not look like a valid unicast MAC address\n\n',
  ],
  [
    'virtio,bogus=1',
    'net0.bogus: property is not defined in schema and the schema does not allow additional properties\n',
  ],
])('a part of %s that is wrong is named', (text, fault) => {
  expect(faultOf(text)).toBe(`invalid format - format error\n${fault}`)
})

test.each([
  ['virtio,e1000', 'duplicate key in comma-separated list property: model\n'],
  ['virtio,tag=1,tag=2', 'duplicate key in comma-separated list property: tag\n'],
  [
    'virtio=02:00:00:00:00:01,macaddr=02:00:00:00:00:02',
    'duplicate key in comma-separated list property: macaddr\n',
  ],
  ['e1000=02:00:00:00:00:01,virtio=02:00:00:00:00:02', "key alias 'model' is already defined\n"],
  ['virtio,tag=', 'missing key in comma-separated list property\n'],
])('%s cannot be split into parts', (text, fault) => {
  expect(faultOf(text)).toBe(`invalid format - ${fault}`)
})

test('a text whose keys all need names is refused without one', () => {
  const format = { properties: { ip: { type: 'string', optional: true } } } as const
  expect(() => parsePropertyString(format, '10.0.0.1')).toThrow(
    'value without key, but schema does not define a default key',
  )
})

test('a family of keys has a limit, and no leading zeros', () => {
  const properties = { 'net[n]': { type: 'string', optional: true, count: 32 } } as const
  const faults = checkProperties(properties, { net0: 'a', net31: 'a', net32: 'a', net01: 'a', net: 'a' })
  expect(Object.keys(faults)).toEqual(['net32', 'net01', 'net'])
})

test('elements of an array are checked one by one', () => {
  const properties = { list: { type: 'array', items: { type: 'integer' } } } as const
  expect(checkProperties(properties, { list: ['1', 'x'] })).toEqual({
    'list[1]': "type check ('integer') failed - got 'x'",
  })
})
