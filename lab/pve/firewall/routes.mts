/** The firewall of the cluster, of nodes and of guests. The lab keeps the configuration; it filters no packets. */

import { directory } from '../core/directory.mts'
import type { FirewallConf } from '../core/firewall-state.mts'
import { integer, nodeName, optional, vmid } from '../core/parameters.mts'
import { allOf, anyone } from '../core/permission.mts'
import { Answer, type ApiObject, type Route, route } from '../core/route.mts'
import { aliasRoutes } from './alias-routes.mts'
import { clusterFirewall, nodeFirewall, vmFirewall } from './conf.mts'
import { groupRoutes } from './group-routes.mts'
import { ipsetRoutes } from './ipset-routes.mts'
import { MACRO_NAMES } from './macros.mts'
import { CLUSTER_OPTIONS, GUEST_OPTIONS, NODE_OPTIONS, optionRoutes } from './option-routes.mts'
import { ruleRoutes } from './rule-routes.mts'
import type { FirewallScope } from './scope.mts'

const CLUSTER: FirewallScope = {
  kind: 'cluster',
  path: '/cluster/firewall',
  parameters: {},
  audit: allOf('/', 'Sys.Audit'),
  modify: allOf('/', 'Sys.Modify'),
  conf: clusterFirewall,
}

const NODE: FirewallScope = {
  kind: 'host',
  path: '/nodes/{node}/firewall',
  parameters: { node: nodeName },
  audit: allOf('/nodes/{node}', 'Sys.Audit'),
  modify: allOf('/nodes/{node}', 'Sys.Modify'),
  conf: pve => nodeFirewall(pve, pve.node),
}

/** Firewall of a VM or a container. It is one file by VMID, also where no such guest is. */
function guest(kind: 'vm' | 'ct', type: 'qemu' | 'lxc'): FirewallScope {
  return {
    kind,
    path: `/nodes/{node}/${type}/{vmid}/firewall`,
    parameters: { node: nodeName, vmid },
    audit: allOf('/vms/{vmid}', 'VM.Audit'),
    modify: allOf('/vms/{vmid}', 'VM.Config.Network'),
    conf: (pve, params) => vmFirewall(pve, Number(params['vmid'])),
  }
}

const referenceType = { type: 'string', enum: ['alias', 'ipset'], optional: true } as const

/** Lists what a rule's source or destination may name. */
function referencesIn(conf: FirewallConf, scope: string, type: string | undefined): ApiObject[] {
  const entry = (kind: string, name: string, ref: string, comment: string | undefined): ApiObject => ({
    type: kind,
    name,
    ref,
    scope,
    ...(comment && { comment }),
  })
  const sets = Object.entries(conf.ipsets).map(([name, { comment }]) =>
    entry('ipset', name, `+${name}`, comment),
  )
  const aliases = Object.entries(conf.aliases).map(([name, { comment }]) =>
    entry('alias', name, name, comment),
  )
  return [...sets, ...aliases].filter(each => type === undefined || each['type'] === type)
}

/** A log in which nothing was ever written: the lab filters no packets. */
function logRoute(scope: FirewallScope, permission: Route['permission']): Route {
  const from0 = optional({ ...integer, minimum: 0 })
  return route({
    method: 'GET',
    path: `${scope.path}/log`,
    permission,
    parameters: { ...scope.parameters, start: from0, limit: from0, since: from0, until: from0 },
    handle: () => new Answer([{ n: 1, t: 'no content' }], { total: 1 }),
  })
}

function guestRoutes(scope: FirewallScope): Route[] {
  return [
    directory(scope.path, ['rules', 'aliases', 'ipset', 'refs', 'options']),
    ...ruleRoutes(scope),
    ...ipsetRoutes(scope),
    ...aliasRoutes(scope),
    ...optionRoutes(scope, GUEST_OPTIONS),
    logRoute(scope, allOf('/vms/{vmid}', 'VM.Console')),
    route({
      method: 'GET',
      path: `${scope.path}/refs`,
      permission: scope.audit,
      parameters: { ...scope.parameters, type: referenceType },
      handle: ({ pve, params }) => [
        ...referencesIn(clusterFirewall(pve), 'dc', params.type as string | undefined),
        ...referencesIn(scope.conf(pve, params), 'guest', params.type as string | undefined),
      ],
    }),
  ]
}

export const firewallRoutes: Route[] = [
  directory(CLUSTER.path, ['aliases', 'rules', 'options', 'groups', 'ipset', 'macros', 'refs']),
  ...ruleRoutes(CLUSTER),
  ...ipsetRoutes(CLUSTER),
  ...aliasRoutes(CLUSTER),
  ...optionRoutes(CLUSTER, CLUSTER_OPTIONS),
  ...groupRoutes,
  route({
    method: 'GET',
    path: `${CLUSTER.path}/macros`,
    permission: anyone,
    parameters: {},
    handle: () => MACRO_NAMES.map(macro => ({ macro, descr: macro })),
  }),
  route({
    method: 'GET',
    path: `${CLUSTER.path}/refs`,
    permission: CLUSTER.audit,
    parameters: { type: referenceType },
    handle: ({ pve, params }) => referencesIn(clusterFirewall(pve), 'dc', params.type),
  }),
  directory(NODE.path, ['rules', 'options', 'log']),
  ...ruleRoutes(NODE),
  ...optionRoutes(NODE, NODE_OPTIONS),
  logRoute(NODE, allOf('/nodes/{node}', 'Sys.Syslog')),
  ...guestRoutes(guest('vm', 'qemu')),
  ...guestRoutes(guest('ct', 'lxc')),
]
