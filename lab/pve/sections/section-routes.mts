/** The five operations on the sections of a config file: list, make, read, change and remove. */

import { failure, textOf } from '../core/errors.mts'
import { type Parameters, splitList } from '../core/parameters.mts'
import type { Permission } from '../core/permission.mts'
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

export type SectionCall = Call<Record<string, unknown>>

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

type SectionPermissions = Record<'list' | 'create' | 'read' | 'update' | 'remove', Permission>

export interface SectionCrud {
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
  permissions: SectionPermissions
  /** Parameters in the path, beside the id. */
  parameters?: Parameters
  /** Parameters of the list. */
  listParameters?: Parameters
  /** Parameters of reading one section. */
  readParameters?: Parameters
  /** Parameters of every change that are none of the section's options, such as the token of a lock. */
  changeParameters?: Parameters
  /** Returns the id of a new section. Default: the parameter. */
  idFor?: (call: SectionCall) => string
  /** Checks privileges that depend on the section. @throws {ApiError} */
  require?: (call: SectionCall, action: 'audit' | 'modify') => void
  /** Returns the sections that a request reads. Default: those of the file. */
  view?: (call: SectionCall) => Record<string, Section>
  /** Leaves a section out of a list, for callers that may not see it. */
  isVisible?: (call: SectionCall, id: string, section: Section) => boolean
  /** Writes a section for a list. Default: as for reading, with its id. */
  entry?: (call: SectionCall, id: string, section: Section) => ApiObject
  /** Writes a section. Default: its options and the digest. */
  show?: (call: SectionCall, id: string, section: Section) => ApiObject
  /** Checks the given options before anything else. @throws {ApiError} */
  checkGiven?: (call: SectionCall, options: Section) => void
  /** Checks a section as it will be; may complete a new one. @throws {ApiError} */
  check?: (call: SectionCall, id: string, section: Section, before: Section | undefined) => void
  /** Checks whether a section may be removed. @throws {ApiError} */
  checkRemoval?: (call: SectionCall, id: string) => void
  /** True: requests may, or must, give the type too, even if it is clear. */
  keepsType?: true
  /** Parameters of a change that are none of the section's options. */
  updateParameters?: Parameters
  /** True: a change gives all options that the type requires, as a new section does. */
  updatesWhole?: true
  /** Runs each change. It may put words before the text of an error. */
  locked?: (action: 'create' | 'update' | 'remove', change: () => void, call: SectionCall) => void
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

function requireSection<T>(sections: Record<string, T>, id: string, words: (id: string) => string): T {
  const section = sections[id]
  if (!section) throw failure(words(id))
  return section
}

function create(crud: SectionCrud, call: SectionCall): void {
  const { file, key = 'id', words, locked = (_, change) => change() } = crud
  crud.require?.(call, 'modify')
  const id = crud.idFor?.(call) ?? idOf(crud, call)
  const type = crud.type ?? String(call.params['type'])
  const options = optionsFrom(call.params, [key, ...Object.keys(crud.changeParameters ?? {})])
  checkSection(file, type, options, true)
  crud.checkGiven?.(call, options)
  const change = (): void => {
    if (sectionsOf(call.pve, file)[id]) throw failure(words.exists(id))
    const section: Section = { type, ...options }
    crud.check?.(call, id, section, undefined)
    putSection(call.pve, file, id, type, section)
  }
  locked('create', change, call)
}

function update(crud: SectionCrud, call: SectionCall): void {
  const { file, key = 'id', words, locked = (_, change) => change() } = crud
  crud.require?.(call, 'modify')
  const id = idOf(crud, call)
  const apart = Object.keys({ ...crud.parameters, ...crud.changeParameters })
  const set = optionsFrom(call.params, [key, ...apart])
  const change = (): void => {
    requireSameDigest(digestOf(call.pve, file), call.params['digest'])
    const before = requireSection(sectionsOf(call.pve, file), id, words.unchangeable ?? words.missing)
    checkSection(file, String(before['type']), set, crud.updatesWhole ?? false)
    crud.checkGiven?.(call, set)
    const remove = splitList(call.params['delete'] as string | undefined)
    const kept = Object.entries(before).filter(([option]) => !remove.includes(option))
    crud.check?.(call, id, { ...Object.fromEntries(kept), ...set }, before)
    changeSection(call.pve, file, id, { set, remove })
  }
  locked('update', change, call)
}

function remove(crud: SectionCrud, call: SectionCall): void {
  const { file, words, locked = (_, change) => change() } = crud
  crud.require?.(call, 'modify')
  const id = idOf(crud, call)
  const change = (): void => {
    const sections = sectionsOf(call.pve, file)
    if (words.unremovable) requireSection(sections, id, words.unremovable)
    crud.checkRemoval?.(call, id)
    delete sections[id]
  }
  locked('remove', change, call)
}

function viewOf({ file, view }: SectionCrud, call: SectionCall): Record<string, Section> {
  return view?.(call) ?? sectionsOf(call.pve, file)
}

function list(crud: SectionCrud, call: SectionCall): ApiObject[] {
  const { key = 'id', isVisible = () => true } = crud
  const show = crud.show ?? ((_, __, section) => ({ ...section, digest: digestOf(call.pve, crud.file) }))
  const entry = crud.entry ?? ((of, id, section) => ({ ...show(of, id, section), [key]: id }))
  crud.require?.(call, 'audit')
  return Object.entries(viewOf(crud, call))
    .filter(([id, section]) => isVisible(call, id, section))
    .map(([id, section]) => entry(call, id, section))
}

function read(crud: SectionCrud, call: SectionCall): ApiObject {
  crud.require?.(call, 'audit')
  const id = idOf(crud, call)
  const section = requireSection(viewOf(crud, call), id, crud.words.missing)
  return crud.show?.(call, id, section) ?? { ...section, digest: digestOf(call.pve, crud.file) }
}

/** Declares the operations on a file's sections. */
export function sectionRoutes(crud: SectionCrud): Route[] {
  const { file, path, key = 'id', permissions, parameters = {}, changeParameters = {} } = crud
  const one = `${path}/{${key}}`
  const id: Parameters = { ...parameters, [key]: file.properties[key]! }
  const withoutType = crud.type === undefined || crud.keepsType ? [] : ['type']
  return [
    route({
      method: 'GET',
      path,
      permission: permissions.list,
      parameters: { ...parameters, ...crud.listParameters },
      handle: call => list(crud, call as SectionCall),
    }),
    route({
      method: 'POST',
      path: crud.createsAtId ? one : path,
      permission: permissions.create,
      parameters: { ...createParameters(file, withoutType), ...parameters, ...changeParameters },
      handle: call => create(crud, call as SectionCall),
    }),
    route({
      method: 'GET',
      path: one,
      permission: permissions.read,
      parameters: { ...id, ...crud.readParameters },
      handle: call => read(crud, call as SectionCall),
    }),
    route({
      method: 'PUT',
      path: one,
      permission: permissions.update,
      parameters: {
        ...parameters,
        ...updateParameters(file),
        ...crud.updateParameters,
        ...changeParameters,
      },
      handle: call => update(crud, call as SectionCall),
    }),
    route({
      method: 'DELETE',
      path: one,
      permission: permissions.remove,
      parameters: { ...id, ...changeParameters },
      handle: call => remove(crud, call as SectionCall),
    }),
  ]
}
