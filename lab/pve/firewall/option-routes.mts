/** Options of a firewall. */

import { parameterError } from '../core/errors.mts'
import type { FirewallConf } from '../core/firewall-state.mts'
import { flag, optional, splitList } from '../core/parameters.mts'
import type { Properties } from '../core/property.mts'
import { type Route, route } from '../core/route.mts'
import { changeParameters, optionsFrom, requireSameDigest } from '../sections/section-file.mts'
import { optionsDigest } from './conf.mts'
import { conntrackHelpers, logLevel } from './formats.mts'
import type { FirewallCall, FirewallScope } from './scope.mts'

const { digest, delete: deleted } = changeParameters
const { maxLength: _, ...deletedKeys } = deleted
const policy = (...words: string[]): Properties[string] => ({ type: 'string', enum: words, optional: true })
const number = (minimum?: number, maximum?: number): Properties[string] => ({
  type: 'integer',
  ...(minimum !== undefined && { minimum }),
  ...(maximum !== undefined && { maximum }),
  optional: true,
})
const flags = (...keys: string[]): Properties => Object.fromEntries(keys.map(key => [key, optional(flag)]))

const RATE_LIMIT: Properties = {
  enable: { type: 'boolean', defaultKey: true },
  rate: { type: 'string', pattern: /^[1-9][0-9]*\/(second|minute|hour|day)$/, optional: true },
  burst: number(0),
}

export const CLUSTER_OPTIONS: Properties = {
  ...flags('ebtables'),
  enable: number(0),
  policy_in: policy('ACCEPT', 'REJECT', 'DROP'),
  policy_out: policy('ACCEPT', 'REJECT', 'DROP'),
  policy_forward: policy('ACCEPT', 'DROP'),
  log_ratelimit: { type: 'string', format: { properties: RATE_LIMIT }, optional: true },
}

export const NODE_OPTIONS: Properties = {
  ...flags('enable', 'nosmurfs', 'tcpflags', 'ndp', 'nf_conntrack_allow_invalid', 'protection_synflood'),
  ...flags('log_nf_conntrack', 'nftables'),
  log_level_in: logLevel,
  log_level_out: logLevel,
  log_level_forward: logLevel,
  tcp_flags_log_level: logLevel,
  smurf_log_level: logLevel,
  nf_conntrack_max: number(32_768),
  nf_conntrack_tcp_timeout_established: number(7875),
  nf_conntrack_tcp_timeout_syn_recv: number(30, 60),
  nf_conntrack_helpers: { type: 'string', format: conntrackHelpers, optional: true },
  protection_synflood_rate: number(),
  protection_synflood_burst: number(),
}

export const GUEST_OPTIONS: Properties = {
  ...flags('enable', 'macfilter', 'dhcp', 'ndp', 'radv', 'ipfilter'),
  policy_in: policy('ACCEPT', 'REJECT', 'DROP'),
  policy_out: policy('ACCEPT', 'REJECT', 'DROP'),
  log_level_in: logLevel,
  log_level_out: logLevel,
}

export const VNET_OPTIONS: Properties = {
  ...flags('enable'),
  policy_forward: policy('ACCEPT', 'DROP'),
  log_level_forward: logLevel,
}

function change(conf: FirewallConf, properties: Properties, { pve, params }: FirewallCall): void {
  requireSameDigest(optionsDigest(conf.options), params['digest'])
  const options = { ...conf.options }
  for (const key of splitList(params['delete'] as string | undefined)) {
    if (!properties[key]) throw parameterError({ delete: `no such option '${key}'` })
    delete options[key]
  }
  const given = optionsFrom(params)
  for (const key of Object.keys(properties))
    if (given[key] !== undefined) options[key] = given[key] as string | number
  // The firewall of the cluster stays off for a while after this time, so that nobody locks himself out.
  if (properties === CLUSTER_OPTIONS && Number(given['enable'] ?? 0) > 1)
    options['enable'] = Math.floor(pve.now() / 1000)
  conf.options = options
}

export function optionRoutes(scope: FirewallScope, properties: Properties): Route[] {
  const { audit, modify, parameters } = scope
  const path = `${scope.path}/options`
  return [
    route({
      method: 'GET',
      path,
      permission: audit,
      parameters,
      handle(call) {
        scope.require?.(call as FirewallCall, 'audit')
        const { options } = scope.conf(call.pve, call.params)
        return { ...options, digest: optionsDigest(options) }
      },
    }),
    route({
      method: 'PUT',
      path,
      permission: modify,
      parameters: { ...properties, ...parameters, digest, delete: deletedKeys },
      handle(call) {
        scope.require?.(call as FirewallCall, 'modify')
        change(scope.conf(call.pve, call.params), properties, call as FirewallCall)
      },
    }),
  ]
}
