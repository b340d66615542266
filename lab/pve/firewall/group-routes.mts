/** Security groups: rules that other firewalls take in by name. */

import { failure, parameterError } from '../core/errors.mts'
import type { FirewallConf } from '../core/firewall-state.mts'
import { optional, text } from '../core/parameters.mts'
import { allOf, anyone } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { changeParameters, requireSameDigest } from '../sections/section-file.mts'
import { clusterFirewall, listDigest, renameGroupInRules, withListDigest } from './conf.mts'
import { groupName } from './formats.mts'
import { renameEntries } from './rename.mts'
import { ruleRoutes } from './rule-routes.mts'
import type { FirewallCall, FirewallScope } from './scope.mts'

const path = '/cluster/firewall/groups'
const mayModify = allOf('/', 'Sys.Modify')

function groupsOf({ groups }: FirewallConf): Record<string, unknown>[] {
  return Object.keys(groups)
    .sort()
    .map(group => ({ group, ...(groups[group]!.comment && { comment: groups[group]!.comment }) }))
}

function requireGroup(conf: FirewallConf, name: unknown): FirewallConf['groups'][string] {
  const group = conf.groups[String(name)]
  if (!group) throw failure(`no such security group '${name}'`)
  return group
}

const GROUP_RULES: FirewallScope = {
  kind: 'group',
  path,
  parameters: { group: groupName },
  audit: allOf('/', 'Sys.Audit'),
  modify: mayModify,
  conf: clusterFirewall,
  rules: (conf, { group }) => requireGroup(conf, group).entries,
}

function create({ pve, params }: FirewallCall): void {
  const conf = clusterFirewall(pve)
  const group = String(params['group'])
  const comment = params['comment'] as string | undefined
  if (params['rename'] === undefined) {
    if (conf.groups[group]) throw parameterError({ group: `Security group '${group}' already exists` })
    conf.groups[group] = { comment, entries: [] }
    return
  }
  const from = String(params['rename'])
  requireSameDigest(listDigest(groupsOf(conf)), params['digest'])
  renameEntries(conf.groups, { key: 'group', kind: 'Security group', from, to: group, comment })
  renameGroupInRules(pve, from, group)
}

export const groupRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: {},
    handle: ({ pve }) => withListDigest(groupsOf(clusterFirewall(pve))),
  }),
  route({
    method: 'POST',
    path,
    permission: mayModify,
    parameters: {
      group: groupName,
      comment: optional(text),
      rename: optional(groupName),
      digest: changeParameters.digest,
    },
    handle: call => create(call as FirewallCall),
  }),
  route({
    method: 'DELETE',
    path: `${path}/{group}`,
    permission: mayModify,
    parameters: { group: groupName },
    handle({ pve, params }) {
      const conf = clusterFirewall(pve)
      const name = String(params.group)
      if (requireGroup(conf, name).entries.length > 0) throw failure(`Security group '${name}' is not empty`)
      delete conf.groups[name]
    },
  }),
  ...ruleRoutes(GROUP_RULES, `${path}/{group}`),
]
