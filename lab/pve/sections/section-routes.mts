/** The five operations on the sections of a config file: list, make, read, change and remove. */

import { failure, textOf } from '../core/errors.mts'
import { type Parameters, splitList } from '../core/parameters.mts'
import type { Permission } from '../core/permission.mts'
import type { Property } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Call, type Route, route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import {
  changeSection,
  checkSection,
  createParameters,
  digestOf,
  optionsFrom,
  putSection,
  requireSameDigest,
  type SectionFile,
  sectionsOf,
  updateParameters,
} from './section-file.mts'

type SectionCall = Call<Record<string, unknown>>

/** Texts of errors for an id. */
interface Words {
  /** For a new section whose id is taken. */
  exists: (id: string) => string
  /** For reading a section that is not there. */
  missing: (id: string) => string
  /** For changing a section that is not there. Default: as for reading. */
  unchangeable?: (id: string) => string
  /** For removing a section that is not there. Default: it succeeds. */
  unremovable?: (id: string) => string
}

interface SectionCrud {
  file: SectionFile
  /** `/cluster/mapping/pci` */
  path: string
  /** True: a section is made at its own path, not at that of the list. */
  createsAtId?: true
  /** Name of the parameter with the id; default `id`. */
  key?: string
  /** Type of all sections; default: that of the parameter `type`. */
  type?: string
  words: Words
  permissions: Record<'list' | 'create' | 'read' | 'update' | 'remove', Permission>
  /** Parameters of the list. */
  listParameters?: Parameters
  /** Leaves a section out of a list, for callers that may not see it. */
  isVisible?: (call: SectionCall, id: string, section: Section) => boolean
  /** Writes a section for a list. Default: as for reading, with its id. */
  entry?: (call: SectionCall, id: string, section: Section) => ApiObject
  /** Writes a section. Default: its options and the digest. */
  show?: (call: SectionCall, id: string, section: Section) => ApiObject
  /** Checks the given options before anything else. @throws {ApiError} */
  checkGiven?: (call: SectionCall, options: Section) => void
  /** Checks a whole section before it is written. @throws {ApiError} */
  check?: (call: SectionCall, id: string, section: Section, isNew: boolean) => void
  /** Checks whether a section may be removed. @throws {ApiError} */
  checkRemoval?: (call: SectionCall, id: string) => void
  /** True: requests may, or must, give the type too, even if it is clear. */
  keepsType?: true
  /** Parameters of a change that are none of the section's options. */
  updateParameters?: Parameters
  /** True: a change gives all options that the type requires, as a new section does. */
  updatesWhole?: true
  /** Runs each change. It may put words before the text of an error. */
  locked?: (action: 'create' | 'update' | 'remove', change: () => void) => void
}

/** Runs a change under a lock, with words in front of its errors: `create mapping failed: ...`. */
export function failingAs(words: string, change: () => void): void {
  try {
    change()
  } catch (error) {
    throw failure(`${words}: ${textOf(error)}`)
  }
}

function idOf({ key = 'id' }: SectionCrud, { params }: SectionCall): string {
  return String(params[key])
}

function requireSection(pve: Pve, { file }: SectionCrud, id: string, words: (id: string) => string): Section {
  const section = sectionsOf(pve, file)[id]
  if (!section) throw failure(words(id))
  return section
}

function create(crud: SectionCrud, call: SectionCall): void {
  const { file, key = 'id', words, locked = (_, change) => change() } = crud
  const id = idOf(crud, call)
  const type = crud.type ?? String(call.params['type'])
  const options = optionsFrom(call.params, [key])
  checkSection(file, type, options, true)
  crud.checkGiven?.(call, options)
  locked('create', () => {
    if (sectionsOf(call.pve, file)[id]) throw failure(words.exists(id))
    crud.check?.(call, id, { type, ...options }, true)
    putSection(call.pve, file, id, type, options)
  })
}

function update(crud: SectionCrud, call: SectionCall): void {
  const { file, key = 'id', words, locked = (_, change) => change() } = crud
  const id = idOf(crud, call)
  const set = optionsFrom(call.params, [key])
  locked('update', () => {
    requireSameDigest(digestOf(call.pve, file), call.params['digest'])
    const before = requireSection(call.pve, crud, id, words.unchangeable ?? words.missing)
    checkSection(file, String(before['type']), set, crud.updatesWhole ?? false)
    crud.checkGiven?.(call, set)
    crud.check?.(call, id, { ...before, ...set }, false)
    changeSection(call.pve, file, id, { set, remove: splitList(call.params['delete'] as string) })
  })
}

function remove(crud: SectionCrud, call: SectionCall): void {
  const { file, words, locked = (_, change) => change() } = crud
  const id = idOf(crud, call)
  locked('remove', () => {
    if (words.unremovable) requireSection(call.pve, crud, id, words.unremovable)
    crud.checkRemoval?.(call, id)
    delete sectionsOf(call.pve, file)[id]
  })
}

function list(crud: SectionCrud, call: SectionCall): ApiObject[] {
  const { key = 'id', isVisible = () => true } = crud
  const show = crud.show ?? ((_, __, section) => ({ ...section, digest: digestOf(call.pve, crud.file) }))
  const entry = crud.entry ?? ((of, id, section) => ({ ...show(of, id, section), [key]: id }))
  return Object.entries(sectionsOf(call.pve, crud.file))
    .filter(([id, section]) => isVisible(call, id, section))
    .map(([id, section]) => entry(call, id, section))
}

function read(crud: SectionCrud, call: SectionCall): ApiObject {
  const id = idOf(crud, call)
  const section = requireSection(call.pve, crud, id, crud.words.missing)
  return crud.show?.(call, id, section) ?? { ...section, digest: digestOf(call.pve, crud.file) }
}

/** Declares the operations on a file's sections. */
export function sectionRoutes(crud: SectionCrud): Route[] {
  const { file, path, key = 'id', permissions, listParameters = {} } = crud
  const one = `${path}/{${key}}`
  const id: Property = file.properties[key]!
  const withoutType = crud.type === undefined || crud.keepsType ? [] : ['type']
  return [
    route({
      method: 'GET',
      path,
      permission: permissions.list,
      parameters: listParameters,
      handle: call => list(crud, call as SectionCall),
    }),
    route({
      method: 'POST',
      path: crud.createsAtId ? one : path,
      permission: permissions.create,
      parameters: createParameters(file, withoutType),
      handle: call => create(crud, call as SectionCall),
    }),
    route({
      method: 'GET',
      path: one,
      permission: permissions.read,
      parameters: { [key]: id },
      handle: call => read(crud, call as SectionCall),
    }),
    route({
      method: 'PUT',
      path: one,
      permission: permissions.update,
      parameters: { ...updateParameters(file), ...crud.updateParameters },
      handle: call => update(crud, call as SectionCall),
    }),
    route({
      method: 'DELETE',
      path: one,
      permission: permissions.remove,
      parameters: { [key]: id },
      handle: call => remove(crud, call as SectionCall),
    }),
  ]
}
