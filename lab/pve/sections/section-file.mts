/** Config files of sections, each with an id, a type and options: one description per file (PVE/SectionConfig.pm). */

import { createHash } from 'node:crypto'
import { failure } from '../core/errors.mts'
import { configId } from '../core/formats.mts'
import { listOf, type Parameters } from '../core/parameters.mts'
import type { Properties, Property } from '../core/property.mts'
import type { Pve } from '../core/pve.mts'
import type { Section, SectionValue } from '../core/state.mts'

interface Use {
  optional?: true
}

export const REQUIRED: Use = {}
export const OPTIONAL: Use = { optional: true }

export interface SectionFile {
  /** Path below /etc/pve: `mapping/pci.cfg`. */
  name: string
  /** Properties that the types of sections use, with those of the API alone, such as the id. */
  properties: Properties
  /** Options of each type. */
  types: Record<string, Record<string, Use>>
  /** Writes the first line of a section. Default: `type: id`. */
  header?: (type: string, id: string) => string
}

/** Returns the sections of a file by id. Callers may change them. */
export function sectionsOf(pve: Pve, { name }: SectionFile): Record<string, Section> {
  pve.store.state.sections ??= Object.create(null) as Record<string, Record<string, Section>>
  pve.store.state.sections[name] ??= Object.create(null) as Record<string, Section>
  return pve.store.state.sections[name]
}

function linesOf(section: Section, options: Record<string, Use>): string[] {
  const first = section['comment'] === undefined ? [] : ['comment']
  const rank = (key: string): number => (options[key]?.optional ? 1 : 0)
  const others = Object.keys(section)
    .filter(key => key !== 'type' && key !== 'comment')
    .sort()
    .sort((a, b) => rank(a) - rank(b))
  return [...first, ...others].flatMap(key => [section[key]!].flat().map(value => `\t${key} ${value}\n`))
}

/** Writes the text that Proxmox would write. */
function textOf(file: SectionFile, sections: Record<string, Section>): string {
  const header = file.header ?? ((type, id) => `${type}: ${id}`)
  return Object.entries(sections)
    .map(([id, section]) => {
      const type = String(section['type'])
      return `${header(type, id)}\n${linesOf(section, file.types[type] ?? {}).join('')}\n`
    })
    .join('')
}

/** Returns the SHA-1 of the file's text, in hex. */
export function digestOf(pve: Pve, file: SectionFile): string {
  return createHash('sha1')
    .update(textOf(file, sectionsOf(pve, file)))
    .digest('hex')
}

/** @throws {ApiError} if the client has seen another file. */
export function requireSameDigest(now: string, seen: unknown): void {
  if (typeof seen === 'string' && seen !== '' && seen !== now)
    throw failure('detected modified configuration - file changed by other user? Try again.')
}

function usesOf({ types }: SectionFile, key: string): (Use | undefined)[] {
  return Object.values(types).map(options => options[key])
}

/** Returns a property as a parameter that may, or may not, be left out. */
function withOptional(property: Property, optional: boolean): Property {
  const { optional: _, ...rest } = property
  return optional ? { ...rest, optional: true } : rest
}

/** Returns the parameters that make a section. Those that every type requires are required. */
export function createParameters(file: SectionFile, without: readonly string[] = []): Parameters {
  const entries = Object.entries(file.properties).filter(([key]) => !without.includes(key))
  return Object.fromEntries(
    entries.map(([key, property]) => {
      const isRequired = usesOf(file, key).every(use => use !== undefined && !use.optional)
      return [key, withOptional(property, property.optional === true && !isRequired)]
    }),
  )
}

const digest = { type: 'string', optional: true, maxLength: 64 } as const

/** Parameters that every change takes: `digest` of the file that the client has seen, and keys to remove. */
export const changeParameters = {
  digest,
  delete: { type: 'string', format: listOf(configId), maxLength: 4096, optional: true },
} as const

/** Returns the parameters that change a section. */
export function updateParameters(file: SectionFile, without: readonly string[] = []): Parameters {
  const entries = Object.entries(file.properties).filter(
    ([key, { optional }]) =>
      !['type', ...without].includes(key) &&
      (optional !== true || usesOf(file, key).some(use => use !== undefined)),
  )
  return { ...Object.fromEntries(entries), ...changeParameters }
}

function asWritten(value: unknown): SectionValue {
  return typeof value === 'boolean' ? Number(value) : (value as SectionValue)
}

/** Selects options from a request's parameters. Flags become 0 and 1. */
export function optionsFrom(params: Record<string, unknown>, without: readonly string[] = []): Section {
  return Object.fromEntries(
    Object.entries(params)
      .filter(([key]) => !['digest', 'delete', 'type', ...without].includes(key))
      .map(([key, value]) => [key, asWritten(value)]),
  )
}

/** @throws {ApiError} for options that the type does not have. */
function requireKnown(uses: Record<string, Use>, options: Section): void {
  for (const key of Object.keys(options)) {
    if (uses[key] === undefined) throw failure(`unexpected property '${key}'`)
  }
}

/**
 * Checks the options of a section.
 * @param isNew true: all options that the type requires must be there.
 * @throws {ApiError} as Proxmox's `check_config`.
 */
export function checkSection(file: SectionFile, type: string, options: Section, isNew: boolean): void {
  const uses = file.types[type]
  if (!uses) throw failure(`unknown section type '${type}'`)
  requireKnown(uses, options)
  const missing = isNew
    ? Object.keys(uses).find(key => !uses[key]!.optional && options[key] === undefined)
    : undefined
  if (missing !== undefined) throw failure(`missing value for required option '${missing}'`)
}

/** Removes empty texts: Proxmox does not write them. */
function withoutEmpty(section: Section): Section {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== ''))
}

/** Sets a section, new or whole. */
export function putSection(pve: Pve, file: SectionFile, id: string, type: string, options: Section): void {
  sectionsOf(pve, file)[id] = withoutEmpty({ type, ...options })
}

/** @throws {ApiError} for a key that the type does not have, requires, or that is set at the same time. */
function requireDeletable(uses: Record<string, Use>, options: Section, key: string): void {
  const use = uses[key]
  if (use === undefined) throw failure(`no such option '${key}'`)
  if (!use.optional) throw failure(`unable to delete required option '${key}'`)
  if (options[key] !== undefined) throw failure(`cannot set and delete property '${key}' at the same time!`)
}

/** Changes an existing section: removes keys, then sets options. @throws {ApiError} and changes nothing. */
export function changeSection(
  pve: Pve,
  file: SectionFile,
  id: string,
  { set, remove }: { set: Section; remove: string[] },
): void {
  const before = sectionsOf(pve, file)[id]!
  const type = String(before['type'])
  for (const key of remove) requireDeletable(file.types[type] ?? {}, set, key)
  const kept = Object.fromEntries(Object.entries(before).filter(([key]) => !remove.includes(key)))
  putSection(pve, file, id, type, { ...kept, ...set })
}
