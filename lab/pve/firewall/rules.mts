/** Rules of a firewall, and what is checked of them together (PVE/Firewall.pm). */

import { parameterError } from '../core/errors.mts'
import type { FirewallConf, FirewallRule } from '../core/firewall-state.mts'
import { optional, splitList } from '../core/parameters.mts'
import type { Properties } from '../core/property.mts'
import {
  ALIAS,
  addressListVersion,
  addressSpec,
  destinationPorts,
  hasPorts,
  IPSET,
  icmpTypeSpec,
  ifaceFormat,
  isIcmp,
  isIcmpType,
  logLevel,
  protocolSpec,
  sourcePorts,
} from './formats.mts'
import { macroNamed, macroRules } from './macros.mts'

export type RuleScope = 'vm' | 'ct' | 'group' | 'cluster' | 'host' | 'vnet'

/** What every rule must have. */
export const ruleCore = {
  type: { type: 'string', enum: ['in', 'out', 'forward', 'group'] },
  action: { type: 'string', pattern: /^[A-Za-z][A-Za-z0-9\-_]+$/, minLength: 2, maxLength: 20 },
} as const

export const ruleProperties: Properties = {
  type: optional(ruleCore.type),
  action: optional(ruleCore.action),
  macro: { type: 'string', maxLength: 128, optional: true },
  iface: { type: 'string', format: ifaceFormat, minLength: 2, maxLength: 20, optional: true },
  source: { type: 'string', format: addressSpec, maxLength: 512, optional: true },
  dest: { type: 'string', format: addressSpec, maxLength: 512, optional: true },
  proto: { type: 'string', format: protocolSpec, optional: true },
  enable: { type: 'integer', minimum: 0, optional: true },
  log: logLevel,
  sport: { type: 'string', format: sourcePorts, optional: true },
  dport: { type: 'string', format: destinationPorts, optional: true },
  comment: { type: 'string', optional: true },
  'icmp-type': { type: 'string', format: icmpTypeSpec, optional: true },
}

/** Puts a request's values into a rule. An empty one, or `-`, removes the key. */
export function applyToRule(rule: FirewallRule, params: Record<string, unknown>): void {
  for (const key of Object.keys(ruleProperties)) {
    const value = params[key]
    if (value === undefined) continue
    if (value === '' || value === '-') delete rule[key]
    else rule[key] = value as string | number
  }
}

export function removeFromRule(rule: FirewallRule, list: unknown): void {
  for (const key of splitList(list as string | undefined)) {
    if (ruleProperties[key] === undefined && key !== 'pos' && key !== 'digest')
      throw parameterError({ delete: `no such property ('${key}')` })
    if (key === 'type' || key === 'action')
      throw parameterError({ delete: `unable to delete required property '${key}'` })
    delete rule[key]
  }
}

const TYPES: Record<RuleScope, string[]> = {
  vm: ['in', 'out', 'group'],
  ct: ['in', 'out', 'group'],
  group: ['in', 'out', 'forward'],
  cluster: ['in', 'out', 'forward', 'group'],
  host: ['in', 'out', 'forward', 'group'],
  vnet: ['forward', 'group'],
}

function requireThat(holds: boolean, key: string, fault: string): void {
  if (!holds) throw parameterError({ [key]: fault })
}

function requireType(scope: RuleScope, type: string, action: string): void {
  requireThat(TYPES[scope].includes(type), 'type', `invalid rule type '${type}' for rule_env '${scope}'`)
  if (type === 'group') return
  requireThat(
    type !== 'forward' || action !== 'REJECT',
    'action',
    'cannot define REJECT rules on forward chain',
  )
  requireThat(/^(ACCEPT|DROP|REJECT)$/.test(action), 'action', `unknown action '${action}'`)
}

function requireIface(scope: RuleScope, iface: string | undefined): void {
  if (iface === undefined) return
  requireThat(scope !== 'group' && scope !== 'vnet', 'type', 'parameter -i not allowed for this rule type')
  requireThat(
    (scope !== 'vm' && scope !== 'ct') || /^net\d+$/.test(iface),
    'iface',
    "value does not match the regex pattern 'net\\d+'",
  )
}

function requirePorts(key: 'dport' | 'sport', ports: string | undefined, protocol: string | undefined): void {
  if (ports === undefined) return
  const fault = (key === 'dport' && isIcmp(protocol) ? destinationPorts : sourcePorts)(ports)
  requireThat(fault === undefined, key, fault ?? '')
  requireThat(protocol !== undefined, 'proto', `missing property - '${key}' requires this property`)
  const allowed = hasPorts(protocol!) || (key === 'dport' && isIcmp(protocol))
  requireThat(allowed, key, `protocol '${protocol}' does not support ports`)
}

function requireIcmpType(rule: Record<string, string>): void {
  const { proto, dport } = rule
  const type = rule['icmp-type']
  if (type === undefined) return
  requireThat(isIcmp(proto), 'proto', "missing property - 'icmp-type' requires this property")
  requireThat(dport === undefined, 'icmp-type', "'icmp-type' cannot be specified together with 'dport'")
  requireThat(isIcmpType(proto, type), 'icmp-type', `invalid icmp-type '${type}' for proto '${proto}'`)
}

/** Returns the IP version of a set or alias, undefined if it has none. */
function namedVersion(
  key: string,
  value: string,
  own: FirewallConf,
  cluster: FirewallConf,
): number | undefined {
  if (value.startsWith('+')) {
    const name = IPSET.exec(value)?.[2]
    requireThat(name !== undefined, key, `invalid ipset name '${value}'`)
    requireThat(
      cluster.ipsets[name!] !== undefined || own.ipsets[name!] !== undefined,
      key,
      `no such ipset '${name}'`,
    )
    return undefined
  }
  const [, scope, name] = ALIAS.exec(value) ?? []
  if (name === undefined) return undefined
  const alias = name.toLowerCase()
  requireThat(
    cluster.aliases[alias] !== undefined || own.aliases[alias] !== undefined,
    key,
    `no such alias '${value}'`,
  )
  const local = scope === 'dc/' ? undefined : own.aliases[alias]
  return (local ?? (scope === 'guest/' ? undefined : cluster.aliases[alias]))?.ipversion
}

function protocolVersion(protocol: string | undefined): number | undefined {
  if (protocol === 'icmp') return 4
  return isIcmp(protocol) ? 6 : undefined
}

/** Compares a rule with its macro: it must not give another protocol or port. */
function requireMacroFits(rule: Record<string, string>, version: number | undefined): void {
  for (const part of macroRules(rule['macro']!, version))
    for (const key of ['proto', 'dport', 'sport'] as const) {
      const [own, given] = [part[key], rule[key]]
      const fits = own === undefined || given === undefined || own === given
      requireThat(fits, key, `parameter '${key}' already define in macro (value = '${own}')`)
    }
}

/**
 * Checks a whole rule, and sets the IP version that follows from it.
 * @param own firewall with the rule. @throws {ApiError} 400 for the first fault.
 */
export function verifyRule(
  scope: RuleScope,
  rule: FirewallRule,
  own: FirewallConf,
  cluster: FirewallConf,
): void {
  const texts = rule as Record<string, string>
  requireType(scope, texts['type']!, texts['action']!)
  requireIface(scope, texts['iface'])
  if (texts['macro'] !== undefined) {
    const name = macroNamed(texts['macro'])
    requireThat(name !== undefined, 'macro', `unknown macro '${texts['macro']}'`)
    rule['macro'] = name!
  }
  requirePorts('dport', texts['dport'], texts['proto'])
  requireIcmpType(texts)
  requirePorts('sport', texts['sport'], texts['proto'])
  let version = protocolVersion(texts['proto'])
  for (const key of ['source', 'dest'] as const) {
    const value = texts[key]
    if (value === undefined) continue
    const found = addressListVersion(value) ?? namedVersion(key, value, own, cluster)
    const isMixed = version !== undefined && found !== undefined && version !== found
    requireThat(!isMixed, key, 'detected mixed ipv4/ipv6 addresses in rule')
    version ??= found
  }
  delete rule['ipversion']
  if (version !== undefined) rule['ipversion'] = version
  if (rule['macro'] !== undefined) requireMacroFits(texts, version)
}
