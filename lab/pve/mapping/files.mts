/** Mappings of PCI devices, USB devices and directories: an id for the same thing on every node (PVE/Mapping). */

import { existsSync, statSync } from 'node:fs'
import { failure } from '../core/errors.mts'
import { configId, matching, nodeFormat } from '../core/formats.mts'
import type { Properties, PropertyFormat } from '../core/property.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { Section } from '../core/state.mts'
import { OPTIONAL, REQUIRED, type SectionFile, sectionsOf } from '../sections/section-file.mts'
import { PCI_DEVICES, USB_DEVICES } from './hardware.mts'

export type MappingKind = 'pci' | 'usb' | 'dir'

/** Values of one entry of a mapping: a node, and what is mapped there. */
type MapEntry = Record<string, string>

interface Mapping {
  file: SectionFile
  /** Form of an entry. */
  entry: PropertyFormat
  /** Compares an entry with the node that has it. @throws {ApiError} */
  requireReal: (id: string, entry: MapEntry, mapping: Section) => void
}

const DEVICE_ID = /^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$/
const PCI = '[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:\\.[a-f0-9])?'
const description = { type: 'string', maxLength: 4096, optional: true } as const
const flag = { type: 'boolean', optional: true } as const

const absolutePath = matching(
  /^\/[^;,=()]+/,
  'Value does not look like a valid absolute path. These symbols are currently not allowed in path: ;,=()',
)

const PCI_ENTRY: Properties = {
  node: { type: 'string', format: nodeFormat },
  id: { type: 'string', pattern: DEVICE_ID },
  'subsystem-id': { type: 'string', pattern: DEVICE_ID, optional: true },
  path: { type: 'string', pattern: new RegExp(`^(?:${PCI};)*${PCI}$`) },
  iommugroup: { type: 'integer', optional: true },
  description,
}

const USB_ENTRY: Properties = {
  node: { type: 'string', format: nodeFormat },
  id: { type: 'string', pattern: DEVICE_ID },
  path: { type: 'string', pattern: /^(\d+)-(\d+(\.\d+)*)$/, optional: true },
  description,
}

const DIRECTORY_ENTRY: Properties = {
  node: { type: 'string', format: nodeFormat },
  path: { type: 'string', format: absolutePath },
}

/** @param mayLackMap true: a change may leave `map` out, says its schema. */
function fileOf(
  kind: MappingKind,
  entry: Properties,
  mayLackMap: boolean,
  more: Properties = {},
): SectionFile {
  return {
    name: `mapping/${kind}.cfg`,
    header: (_, id) => id,
    properties: {
      id: { type: 'string', format: configId },
      description,
      ...more,
      map: {
        type: 'array',
        items: { type: 'string', format: { properties: entry } },
        ...(mayLackMap && { optional: true }),
      },
    },
    types: {
      [kind]: {
        description: OPTIONAL,
        map: REQUIRED,
        ...Object.fromEntries(Object.keys(more).map(key => [key, OPTIONAL])),
      },
    },
  }
}

function requireEqual(what: { id: string; path: string; key: string }, found?: string, given?: string): void {
  const { id, path, key } = what
  if (found === undefined && given === undefined) return
  if (given === undefined) throw failure(`missing expected property '${key}' for device '${path}'`)
  if (found === undefined) throw failure(`unexpected property '${key}' configured for device '${path}'`)
  const [real, configured] = [found, given].map(each => each.replaceAll('0x', ''))
  if (real !== configured) throw failure(`'${key}' does not match for '${id}' (${real} != ${configured})`)
}

function requireRealPci(id: string, entry: MapEntry, mapping: Section): void {
  for (const [index, given] of entry['path']!.split(';').entries()) {
    const path = /\.[a-f0-9]/i.test(given) ? given : `${given}.0`
    const found = PCI_DEVICES.find(device => device.id === path)
    if (!found) throw failure(`pci device '${path}' not found`)
    const real: Record<string, string> = {
      id: `${found.vendor}:${found.device}`,
      iommugroup: String(found.iommugroup),
      mdev: '0',
      'subsystem-id': `${found.subsystem_vendor}:${found.subsystem_device}`,
    }
    const configured: Record<string, string | undefined> = { ...entry, mdev: String(mapping['mdev'] ?? 0) }
    for (const key of Object.keys(real).sort())
      if (key !== 'iommugroup' || index === 0) requireEqual({ id, path, key }, real[key], configured[key])
  }
}

function requireRealUsb(id: string, entry: MapEntry): void {
  const { path, id: device } = entry
  const idOf = (each: (typeof USB_DEVICES)[number]): string => `${each.vendid}:${each.prodid}`
  if (path === undefined) {
    if (!USB_DEVICES.some(each => idOf(each) === device)) throw failure(`usb device '${device}' not found`)
    return
  }
  const found = USB_DEVICES.find(each => `${each.busnum}-${each.usbpath}` === path)
  if (!found) throw failure(`usb device '${path}' not found`)
  if (idOf(found) !== device) throw failure(`'id' does not match for '${id}' (${idOf(found)} != ${device})`)
}

/** A directory is one of the lab's machine. */
function requireRealDirectory(_: string, { path = '' }: MapEntry): void {
  if (!existsSync(path)) throw failure(`Path ${path} does not exist`)
  if (!statSync(path).isDirectory()) throw failure(`Path ${path} exists, but is not a directory`)
}

export const MAPPINGS: Record<MappingKind, Mapping> = {
  pci: {
    file: fileOf('pci', PCI_ENTRY, true, { mdev: flag, 'live-migration-capable': flag }),
    entry: { properties: PCI_ENTRY },
    requireReal: requireRealPci,
  },
  usb: {
    file: fileOf('usb', USB_ENTRY, false),
    entry: { properties: USB_ENTRY },
    requireReal: requireRealUsb,
  },
  dir: {
    file: fileOf('dir', DIRECTORY_ENTRY, true),
    entry: { properties: DIRECTORY_ENTRY },
    requireReal: requireRealDirectory,
  },
}

/** Parses the entries of a mapping. */
export function entriesOf(kind: MappingKind, mapping: Section): MapEntry[] {
  return [mapping['map'] ?? []].flat().map(text => parsePropertyString(MAPPINGS[kind].entry, String(text)))
}

/** Finds what a mapping stands for on a node. Undefined: there is no such mapping. */
export function mappedOn(pve: Pve, kind: MappingKind, id: string, node: string): MapEntry[] | undefined {
  const mapping = sectionsOf(pve, MAPPINGS[kind].file)[id]
  return mapping && entriesOf(kind, mapping).filter(entry => entry['node'] === node)
}
