/** Operations on zones, vnets, subnets and controllers: alike but for privileges and checks. */

import { failure } from '../core/errors.mts'
import { type Parameters, splitList } from '../core/parameters.mts'
import type { Permission } from '../core/permission.mts'
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
} from '../sections/section-file.mts'
import { lockedSdn, lockToken, viewOf, viewParameters } from './pending.mts'

export type SdnCall = Call<Record<string, unknown>>

interface SdnSections {
  file: SectionFile
  path: string
  /** Parameter with the id. */
  key: string
  /** Word in errors: `zone`. */
  kind: string
  /** Type of all sections; default: the parameter `type`. */
  type?: string
  /** Words for a missing one; default `sdn ID does not exist`. */
  missing: (id: string) => string
  permissions: Record<'list' | 'create' | 'read' | 'update' | 'remove', Permission>
  /** Parameters in the path. */
  parameters?: Parameters
  listParameters?: Parameters
  /** Id of a new section; default: the parameter. */
  idFor?: (call: SdnCall) => string
  /** Checks privileges that depend on the section. @throws {ApiError} */
  require?: (call: SdnCall, action: 'audit' | 'modify') => void
  isVisible: (call: SdnCall, id: string, section: ApiObject) => boolean
  /** Writes a section. Default: its options. */
  show?: (id: string, section: ApiObject) => ApiObject
  /** Checks a section as it will be; may complete it. @throws {ApiError} */
  check: (pve: Pve, id: string, section: Section, before: Section | undefined) => void
  checkRemoval: (pve: Pve, id: string) => void
}

function requireSection<T>(sections: Record<string, T>, { missing }: SdnSections, id: string): T {
  const section = sections[id]
  if (!section) throw failure(missing(id))
  return section
}

function shown(pve: Pve, sdn: SdnSections, call: SdnCall, id: string, section: ApiObject): ApiObject {
  const { running, pending } = call.params
  const digest = running === true || pending === true ? {} : { digest: digestOf(pve, sdn.file) }
  return { ...(sdn.show?.(id, section) ?? section), [sdn.key]: id, ...digest }
}

function list(sdn: SdnSections, call: SdnCall): ApiObject[] {
  sdn.require?.(call, 'audit')
  return Object.entries(viewOf(call.pve, sdn.file, call.params))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .filter(([id, section]) => sdn.isVisible(call, id, section))
    .map(([id, section]) => shown(call.pve, sdn, call, id, section))
}

function read(sdn: SdnSections, call: SdnCall): ApiObject {
  sdn.require?.(call, 'audit')
  const id = String(call.params[sdn.key])
  const section = requireSection(viewOf(call.pve, sdn.file, call.params), sdn, id)
  return shown(call.pve, sdn, call, id, section)
}

function create(sdn: SdnSections, call: SdnCall): void {
  const { pve, params } = call
  sdn.require?.(call, 'modify')
  const id = sdn.idFor?.(call) ?? String(params[sdn.key])
  const type = sdn.type ?? String(params['type'])
  const options = optionsFrom(params, [sdn.key, 'lock-token'])
  checkSection(sdn.file, type, options, true)
  lockedSdn(pve, `create sdn ${sdn.kind} object failed`, params['lock-token'], () => {
    if (sectionsOf(pve, sdn.file)[id]) throw failure(`sdn ${sdn.kind} object ID '${id}' already defined`)
    const section: Section = { type, ...options }
    sdn.check(pve, id, section, undefined)
    putSection(pve, sdn.file, id, type, section)
  })
}

function update(sdn: SdnSections, call: SdnCall): void {
  const { pve, params } = call
  sdn.require?.(call, 'modify')
  const id = String(params[sdn.key])
  const { file } = sdn
  lockedSdn(pve, `update sdn ${sdn.kind} object failed`, params['lock-token'], () => {
    requireSameDigest(digestOf(pve, file), params['digest'])
    const before = requireSection(sectionsOf(pve, file), sdn, id)
    const pathKeys = Object.keys(sdn.parameters ?? {})
    const set = optionsFrom(params, [sdn.key, 'lock-token', ...pathKeys])
    checkSection(file, String(before['type']), set, false)
    const remove = splitList(params['delete'] as string | undefined)
    const kept = Object.entries(before).filter(([key]) => !remove.includes(key))
    sdn.check(pve, id, { ...Object.fromEntries(kept), ...set }, before)
    changeSection(pve, file, id, { set, remove })
  })
}

function remove(sdn: SdnSections, call: SdnCall): void {
  const { pve, params } = call
  sdn.require?.(call, 'modify')
  const id = String(params[sdn.key])
  lockedSdn(pve, `delete sdn ${sdn.kind} object failed`, params['lock-token'], () => {
    requireSection(sectionsOf(pve, sdn.file), sdn, id)
    sdn.checkRemoval(pve, id)
    delete sectionsOf(pve, sdn.file)[id]
  })
}

export function sdnSectionRoutes(sdn: SdnSections): Route[] {
  const { file, path, key, permissions, parameters = {}, listParameters = {} } = sdn
  const one = { ...parameters, [key]: file.properties[key]! }
  const handle =
    (work: (of: SdnSections, call: SdnCall) => unknown) =>
    (call: unknown): unknown =>
      work(sdn, call as SdnCall)
  return [
    route({
      method: 'GET',
      path,
      permission: permissions.list,
      parameters: { ...parameters, ...viewParameters, ...listParameters },
      handle: handle(list),
    }),
    route({
      method: 'POST',
      path,
      permission: permissions.create,
      parameters: { ...createParameters(file), ...parameters, ...lockToken },
      handle: handle(create),
    }),
    route({
      method: 'GET',
      path: `${path}/{${key}}`,
      permission: permissions.read,
      parameters: { ...one, ...viewParameters },
      handle: handle(read),
    }),
    route({
      method: 'PUT',
      path: `${path}/{${key}}`,
      permission: permissions.update,
      parameters: { ...parameters, ...updateParameters(file), ...lockToken },
      handle: handle(update),
    }),
    route({
      method: 'DELETE',
      path: `${path}/{${key}}`,
      permission: permissions.remove,
      parameters: { ...one, ...lockToken },
      handle: handle(remove),
    }),
  ]
}
