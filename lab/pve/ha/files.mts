/** What is highly available: resources, rules, and on Proxmox VE 8 groups (PVE/HA). The lab keeps it; nothing moves. */

import { failure } from '../core/errors.mts'
import { configId, matching } from '../core/formats.mts'
import { listOf, splitList } from '../core/parameters.mts'
import type { Properties, Property } from '../core/property.mts'
import type { Pve } from '../core/pve.mts'
import { OPTIONAL, REQUIRED, type SectionFile, sectionsOf } from '../sections/section-file.mts'

const comment: Property = { type: 'string', maxLength: 4096, optional: true }
const flag: Property = { type: 'boolean', optional: true }
const count: Property = { type: 'integer', minimum: 0, optional: true }

export const resourceId: Property = {
  type: 'string',
  format: matching(/^([a-z]+:\S+|\d+)$/, 'value does not look like a valid ha resource id'),
}

const nodes: Property = {
  type: 'string',
  format: listOf(
    matching(/^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)(:\d+)?$/, 'value does not look like a valid ha node'),
  ),
  optional: true,
}

const RESOURCE_OPTIONS = {
  state: OPTIONAL,
  group: OPTIONAL,
  comment: OPTIONAL,
  failback: OPTIONAL,
  max_restart: OPTIONAL,
  max_relocate: OPTIONAL,
}

export const RESOURCES: SectionFile = {
  name: 'ha/resources.cfg',
  header: (_, sid) => sid.replace(':', ': '),
  properties: {
    type: { type: 'string', enum: ['ct', 'vm'], optional: true },
    sid: resourceId,
    state: {
      type: 'string',
      enum: ['started', 'stopped', 'enabled', 'disabled', 'ignored'],
      optional: true,
    },
    group: { type: 'string', format: configId, optional: true },
    failback: flag,
    max_restart: count,
    max_relocate: count,
    comment,
  },
  types: { vm: RESOURCE_OPTIONS, ct: RESOURCE_OPTIONS },
}

export const GROUPS: SectionFile = {
  name: 'ha/groups.cfg',
  properties: {
    type: { type: 'string', enum: ['group'], optional: true },
    group: { type: 'string', format: configId },
    nodes,
    restricted: flag,
    nofailback: flag,
    comment,
  },
  types: { group: { nodes: REQUIRED, comment: OPTIONAL, nofailback: OPTIONAL, restricted: OPTIONAL } },
}

const COMMON_RULE = { resources: REQUIRED, disable: OPTIONAL, comment: OPTIONAL }

const resourceList: Property = {
  type: 'string',
  format: listOf(matching(/^[a-z]+:\S+$/, 'value does not look like a valid ha resource id')),
}

const ruleProperties: Properties = {
  type: { type: 'string', enum: ['node-affinity', 'resource-affinity'] },
  rule: { type: 'string', format: configId },
  disable: flag,
  resources: resourceList,
  comment,
  nodes,
  strict: flag,
  affinity: { type: 'string', enum: ['positive', 'negative'], optional: true },
}

export const RULES: SectionFile = {
  name: 'ha/rules.cfg',
  properties: ruleProperties,
  types: {
    'node-affinity': { ...COMMON_RULE, nodes: REQUIRED, strict: OPTIONAL },
    'resource-affinity': { ...COMMON_RULE, affinity: REQUIRED },
  },
}

/**
 * Writes a resource's id in full: `100` is `vm:100`.
 * @throws {ApiError} for a VMID that no VM has.
 */
export function fullId(pve: Pve, sid: string): string {
  if (!/^\d+$/.test(sid)) return sid
  if (!pve.store.state.vms[sid]) throw failure(`unable to detect SID from VMID - VM/CT ${sid} does not exist`)
  return `vm:${sid}`
}

export function isManaged(pve: Pve, sid: string): boolean {
  return sectionsOf(pve, RESOURCES)[sid] !== undefined
}

/** Removes a resource from all rules. A rule without resources goes away. */
export function forgetInRules(pve: Pve, sid: string): void {
  const rules = sectionsOf(pve, RULES)
  for (const [id, rule] of Object.entries(rules)) {
    const before = splitList(String(rule['resources']))
    const left = before.filter(each => each !== sid)
    if (left.length === 0) delete rules[id]
    else if (left.length < before.length) rule['resources'] = left.join(',')
  }
}

/** Forgets a VM that is deleted with `purge`. */
export function forgetVm(pve: Pve, vmid: number): void {
  delete sectionsOf(pve, RESOURCES)[`vm:${vmid}`]
  forgetInRules(pve, `vm:${vmid}`)
}
