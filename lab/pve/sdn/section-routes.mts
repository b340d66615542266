/** Operations on zones, vnets, subnets and controllers: under the lock of the network, and as configured, applied or both. */

import { byName } from '../core/by-name.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject, Route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import { digestOf } from '../sections/section-file.mts'
import { type SectionCall, type SectionCrud, sectionRoutes } from '../sections/section-routes.mts'
import { lockedSdn, lockToken, viewOf, viewParameters } from './pending.mts'

type Shared = 'file' | 'path' | 'type' | 'permissions' | 'parameters' | 'listParameters' | 'idFor' | 'require'

interface SdnSections extends Pick<SectionCrud, Shared> {
  /** Parameter with the id. */
  key: string
  /** Word in errors: `zone`. */
  kind: string
  /** Words for a missing one. */
  missing: (id: string) => string
  isVisible: (call: SectionCall, id: string, section: ApiObject) => boolean
  /** Writes a section. Default: its options. */
  show?: (id: string, section: ApiObject) => ApiObject
  /** Checks a section as it will be; may complete a new one. @throws {ApiError} */
  check: (pve: Pve, id: string, section: Section, before: Section | undefined) => void
  checkRemoval: (pve: Pve, id: string) => void
}

const VERBS = { create: 'create', update: 'update', remove: 'delete' } as const

/** Returns the sections that a request asks for, in the order of their ids. Of both in one, an option is an object. */
function sorted(sections: Record<string, ApiObject>): Record<string, Section> {
  const entries = Object.entries(sections).sort(([a], [b]) => (a < b ? -1 : 1))
  return byName(Object.fromEntries(entries) as Record<string, Section>)
}

function shown(sdn: SdnSections, { pve, params }: SectionCall, id: string, section: ApiObject): ApiObject {
  const { running, pending } = params
  const digest = running === true || pending === true ? {} : { digest: digestOf(pve, sdn.file) }
  return { ...(sdn.show?.(id, section) ?? section), [sdn.key]: id, ...digest }
}

export function sdnSectionRoutes(sdn: SdnSections): Route[] {
  const { kind, missing, show: _, check, checkRemoval, listParameters, ...shared } = sdn
  return sectionRoutes({
    ...shared,
    keepsType: true,
    words: {
      exists: id => `sdn ${kind} object ID '${id}' already defined`,
      missing,
      unremovable: missing,
    },
    listParameters: { ...viewParameters, ...listParameters },
    readParameters: viewParameters,
    changeParameters: lockToken,
    view: ({ pve, params }) => sorted(viewOf(pve, sdn.file, params)),
    show: (call, id, section) => shown(sdn, call, id, section),
    check: ({ pve }, id, section, before) => check(pve, id, section, before),
    checkRemoval: ({ pve }, id) => checkRemoval(pve, id),
    locked: (action, change, { pve, params }) =>
      lockedSdn(pve, `${VERBS[action]} sdn ${kind} object failed`, params['lock-token'], change),
  })
}
