/** /cluster/ha/rules: which nodes a resource prefers, and which resources stay together or apart. */

import { ApiError, failure } from '../core/errors.mts'
import { splitList } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject, Route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import { digestOf, sectionsOf } from '../sections/section-file.mts'
import { failingAs, sectionRoutes } from '../sections/section-routes.mts'
import { isManaged, RULES } from './files.mts'

const FAILURES = { create: 'create ha rule', update: 'update HA rules', remove: 'delete ha rule' } as const

function resourcesOf(rule: Section): string[] {
  return splitList(String(rule['resources'] ?? ''))
}

function requireKnown(pve: Pve, rule: Section): void {
  const unmanaged = resourcesOf(rule)
    .sort()
    .filter(sid => !isManaged(pve, sid))
  if (unmanaged.length > 0) throw failure(`cannot use unmanaged resource(s) ${unmanaged.join(', ')}.`)
  if (rule['nodes'] === undefined) return
  const known = pve.store.state.nodes.map(({ name }) => name)
  const missing = splitList(String(rule['nodes']))
    .map(node => node.split(':')[0]!)
    .sort()
    .filter(node => !known.includes(node))
  if (missing.length > 0) throw failure(`cannot use non-existent node(s) ${missing.join(', ')}.`)
}

/** Finds what makes a rule impossible or useless beside the others that are in force. */
function faultsOf(pve: Pve, id: string, rule: Section): string[] {
  if (rule['disable'] === 1) return []
  const own = resourcesOf(rule)
  const others = Object.entries(sectionsOf(pve, RULES))
    .filter(([other, { type, disable }]) => other !== id && type === rule['type'] && disable !== 1)
    .map(([, other]) => ({
      affinity: other['affinity'],
      shared: own.filter(each => resourcesOf(other).includes(each)),
    }))
  if (rule['type'] === 'node-affinity')
    return [...new Set(others.flatMap(({ shared }) => shared))]
      .sort()
      .map(sid => `resource '${sid}' is already used in another node affinity rule`)
  const opposite = rule['affinity'] === 'positive' ? 'negative' : 'positive'
  const tooMany = rule['affinity'] === 'negative' && own.length > pve.store.state.nodes.length
  const contradicted = others.some(({ affinity, shared }) => affinity === opposite && shared.length > 1)
  return [
    ...(own.length < 2 ? ['rule is ineffective as there are less than two resources'] : []),
    ...(tooMany ? ['rule defines more resources than available nodes'] : []),
    ...(contradicted ? [`rule shares two or more resources with a ${opposite} resource affinity rule`] : []),
  ]
}

function requireFeasible(pve: Pve, id: string, rule: Section): void {
  const faults = faultsOf(pve, id, rule)
  if (faults.length > 0) throw new ApiError(400, `Rule '${id}' is invalid.`, { resources: faults.join(', ') })
}

function shown(pve: Pve, id: string, rule: Section): ApiObject {
  const order = Object.keys(sectionsOf(pve, RULES)).indexOf(id) + 1
  const defaults = rule['type'] === 'node-affinity' ? { strict: 0 } : {}
  return { ...defaults, ...rule, rule: id, order, digest: digestOf(pve, RULES) }
}

export const haRuleRoutes: Route[] = sectionRoutes({
  file: RULES,
  path: '/cluster/ha/rules',
  key: 'rule',
  words: {
    exists: id => `HA rule '${id}' already defined`,
    missing: id => `no such ha rule '${id}'`,
    unchangeable: id => `HA rule '${id}' does not exist`,
  },
  permissions: {
    list: allOf('/', 'Sys.Audit'),
    create: allOf('/', 'Sys.Console'),
    read: allOf('/', 'Sys.Audit'),
    update: allOf('/', 'Sys.Console'),
    remove: allOf('/', 'Sys.Console'),
  },
  listParameters: {
    type: { type: 'string', enum: ['node-affinity', 'resource-affinity'], optional: true },
    resource: { type: 'string', optional: true },
  },
  isVisible: ({ params }, _, rule) =>
    (params['type'] === undefined || rule['type'] === params['type']) &&
    (params['resource'] === undefined || resourcesOf(rule).includes(String(params['resource']))),
  show: ({ pve }, id, rule) => shown(pve, id, rule),
  check({ pve }, id, rule) {
    requireKnown(pve, rule)
    requireFeasible(pve, id, rule)
  },
  updateParameters: {
    type: RULES.properties['type']!,
    resources: { ...RULES.properties['resources']!, optional: true },
  },

  locked: (action, change) => failingAs(`${FAILURES[action]} failed`, change),
})
