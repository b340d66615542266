/** The network as configured and as applied. A change waits until `PUT /cluster/sdn` applies all of them. */

import { randomUUID } from 'node:crypto'
import { byName } from '../core/by-name.mts'
import { failure } from '../core/errors.mts'
import { flag, optional } from '../core/parameters.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { Section, State } from '../core/state.mts'
import { type SectionFile, sectionsOf } from '../sections/section-file.mts'
import { failingAs } from '../sections/section-routes.mts'
import { FABRIC_NODES, FABRICS } from './fabrics.mts'
import { CONTROLLERS, SUBNETS, VNETS, ZONES } from './files.mts'

const FILES = [ZONES, VNETS, SUBNETS, CONTROLLERS, FABRICS, FABRIC_NODES]

export const lockToken = { 'lock-token': { type: 'string', optional: true } } as const

/** Parameters of each reading operation: which of the two, or both in one. */
export const viewParameters = { running: optional(flag), pending: optional(flag) } as const

function stateOf(pve: Pve): NonNullable<State['sdn']> {
  pve.store.state.sdn ??= {
    applied: Object.create(null) as Record<string, Record<string, Section>>,
    isApplied: false,
  }
  return pve.store.state.sdn
}

/** Returns the sections as they were last applied. */
export function appliedSections(pve: Pve, { name }: SectionFile): Record<string, Section> {
  return stateOf(pve).applied[name] ?? byName()
}

/** Runs a change under the lock of the network. @throws {ApiError} unless the token of a held lock is given. */
export function lockedSdn(pve: Pve, action: string, token: unknown, change: () => void): void {
  failingAs(action, () => {
    const held = stateOf(pve).lockToken
    if (held !== undefined && held !== token) throw failure('invalid lock token provided!')
    change()
  })
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Shows what was applied, and under `pending` what is configured since. */
function pendingSection(running: Section | undefined, configured: Section | undefined): ApiObject {
  const changed = Object.entries(configured ?? {}).filter(
    ([key, value]) => key !== 'type' && key !== 'vnet' && !isSame(running?.[key], value),
  )
  const removed =
    configured === undefined ? [] : Object.keys(running ?? {}).filter(key => !(key in configured))
  const pending = Object.fromEntries([...changed, ...removed.map(key => [key, 'deleted'] as const)])
  const { type, vnet } = configured ?? {}
  const state =
    running === undefined
      ? 'new'
      : configured === undefined
        ? 'deleted'
        : Object.keys(pending).length > 0
          ? 'changed'
          : undefined
  return {
    ...running,
    ...(type !== undefined && { type }),
    ...(vnet !== undefined && { vnet }),
    ...(state && { state, pending }),
  }
}

function pendingSections(pve: Pve, file: SectionFile): Record<string, ApiObject> {
  const [running, configured] = [appliedSections(pve, file), sectionsOf(pve, file)]
  const ids = new Set([...Object.keys(running), ...Object.keys(configured)])
  const pending = [...ids].map(id => [id, pendingSection(running[id], configured[id])] as const)
  return byName(Object.fromEntries(pending))
}

/** Returns a file's sections as a request asks for them. */
export function viewOf(
  pve: Pve,
  file: SectionFile,
  { running, pending }: Record<string, unknown>,
): Record<string, ApiObject> {
  if (pending === true) return pendingSections(pve, file)
  return running === true ? appliedSections(pve, file) : sectionsOf(pve, file)
}

export function hasPending(pve: Pve): boolean {
  return FILES.some(file =>
    Object.values(pendingSections(pve, file)).some(section => section['pending'] !== undefined),
  )
}

export function isEverApplied(pve: Pve): boolean {
  return stateOf(pve).isApplied
}

/** Makes the configuration the applied one. */
export function commit(pve: Pve): void {
  const state = stateOf(pve)
  for (const file of FILES) state.applied[file.name] = byName(structuredClone({ ...sectionsOf(pve, file) }))
  state.isApplied = true
}

/** Makes the applied configuration the present one. */
export function rollBack(pve: Pve): void {
  for (const file of FILES) {
    const sections = sectionsOf(pve, file)
    for (const id of Object.keys(sections)) delete sections[id]
    Object.assign(sections, structuredClone(appliedSections(pve, file)))
  }
}

export function takeLock(pve: Pve): string {
  const token = randomUUID()
  stateOf(pve).lockToken = token
  return token
}

export function releaseLock(pve: Pve): void {
  delete stateOf(pve).lockToken
}
