/** Operations on the rules of a firewall: the first rule that fits decides, so each has a position. */

import { failure } from '../core/errors.mts'
import type { FirewallConf, FirewallRule } from '../core/firewall-state.mts'
import { type Route, route } from '../core/route.mts'
import { changeParameters, requireSameDigest } from '../sections/section-file.mts'
import { clusterFirewall, listDigest, rulesWithPosition } from './conf.mts'
import { applyToRule, removeFromRule, ruleCore, ruleProperties, verifyRule } from './rules.mts'
import type { FirewallCall, FirewallScope } from './scope.mts'

const { digest, delete: deleted } = changeParameters
/** Optional in the schema, although it stands in the path. */
const position = { type: 'integer', minimum: 0, optional: true } as const

interface Rules {
  conf: FirewallConf
  rules: FirewallRule[]
}

function rulesOf(scope: FirewallScope, call: FirewallCall, action: 'audit' | 'modify'): Rules {
  scope.require?.(call, action)
  const conf = scope.conf(call.pve, call.params)
  return { conf, rules: scope.rules?.(conf, call.params) ?? conf.rules }
}

function requireAt(rules: FirewallRule[], pos: unknown): FirewallRule {
  const rule = rules[Number(pos)]
  if (!rule) throw failure(`no rule at position ${pos}`)
  return rule
}

function create(scope: FirewallScope, call: FirewallCall): void {
  const { conf, rules } = rulesOf(scope, call, 'modify')
  const rule: FirewallRule = {}
  applyToRule(rule, call.params)
  verifyRule(scope.kind, rule, conf, clusterFirewall(call.pve))
  rule['enable'] = Number(rule['enable'] ?? 0) > 0 ? 1 : 0
  rules.unshift(rule)
}

/** Moves a rule in front of the one that is at `to`. */
function move(rules: FirewallRule[], from: number, to: number): void {
  const rule = rules[from]!
  const others = rules.toSpliced(from, 1)
  const before = rules.slice(0, to).filter(each => each !== rule).length
  rules.splice(0, rules.length, ...others.toSpliced(Math.min(before, others.length), 0, rule))
}

function update(scope: FirewallScope, call: FirewallCall): void {
  const { params, pve } = call
  const { conf, rules } = rulesOf(scope, call, 'modify')
  requireSameDigest(listDigest(rules), params['digest'])
  const rule = requireAt(rules, params['pos'])
  const [pos, to] = [Number(params['pos']), params['moveto'] as number | undefined]
  if (to !== undefined && to !== pos) {
    move(rules, pos, to)
    return
  }
  const changed = { ...rule }
  applyToRule(changed, params)
  removeFromRule(changed, params['delete'])
  verifyRule(scope.kind, changed, conf, clusterFirewall(pve))
  changed['enable'] = Number(changed['enable'] ?? 1) > 0 ? 1 : 0
  rules[pos] = changed
}

function remove(scope: FirewallScope, call: FirewallCall): void {
  const { rules } = rulesOf(scope, call, 'modify')
  requireSameDigest(listDigest(rules), call.params['digest'])
  requireAt(rules, call.params['pos'])
  rules.splice(Number(call.params['pos']), 1)
}

/** @param path where the rules are: `.../rules`, or the group's own path. */
export function ruleRoutes(scope: FirewallScope, path = `${scope.path}/rules`): Route[] {
  const { audit, modify, parameters } = scope
  const at = { ...parameters, pos: position }
  return [
    route({
      method: 'GET',
      path,
      permission: audit,
      parameters,
      handle: call => rulesWithPosition(rulesOf(scope, call as FirewallCall, 'audit').rules),
    }),
    route({
      method: 'POST',
      path,
      permission: modify,
      parameters: { ...ruleProperties, ...ruleCore, ...parameters, pos: position, digest },
      handle: call => create(scope, call as FirewallCall),
    }),
    route({
      method: 'GET',
      path: `${path}/{pos}`,
      permission: audit,
      parameters: at,
      handle(call) {
        const { rules } = rulesOf(scope, call as FirewallCall, 'audit')
        requireAt(rules, call.params.pos)
        // Unlike the list, one rule has its position as the path names it, a text.
        const pos = String(call.params.pos)
        return { ...rulesWithPosition(rules)[Number(pos)], pos }
      },
    }),
    route({
      method: 'PUT',
      path: `${path}/{pos}`,
      permission: modify,
      parameters: {
        ...ruleProperties,
        ...parameters,
        pos: position,
        moveto: position,
        digest,
        delete: deleted,
      },
      handle: call => update(scope, call as FirewallCall),
    }),
    route({
      method: 'DELETE',
      path: `${path}/{pos}`,
      permission: modify,
      parameters: { ...at, digest },
      handle: call => remove(scope, call as FirewallCall),
    }),
  ]
}
