/** Operations on aliases: names for addresses and networks. */

import { parameterError } from '../core/errors.mts'
import type { FirewallAlias } from '../core/firewall-state.mts'
import { optional, text } from '../core/parameters.mts'
import { type Route, route } from '../core/route.mts'
import { changeParameters, requireSameDigest } from '../sections/section-file.mts'
import { listDigest, withListDigest } from './conf.mts'
import { aliasName, cidrFormat, ipVersionOf, withoutFullPrefix } from './formats.mts'
import type { FirewallCall, FirewallScope } from './scope.mts'

const { digest } = changeParameters
const cidr = { type: 'string', format: cidrFormat } as const

type Aliases = Record<string, FirewallAlias>

function listOfAliases(aliases: Aliases): FirewallAlias[] {
  return Object.keys(aliases)
    .sort()
    .map(name => aliases[name]!)
}

function aliasFrom({ params }: FirewallCall): FirewallAlias {
  const network = withoutFullPrefix(String(params['cidr']))
  const comment = params['comment'] ? { comment: String(params['comment']) } : {}
  return { name: String(params['name']), cidr: network, ipversion: ipVersionOf(network), ...comment }
}

function requireFree(aliases: Aliases, name: string): void {
  if (aliases[name.toLowerCase()]) throw parameterError({ name: `alias '${name}' already exists` })
}

function requireAlias(aliases: Aliases, name: unknown): FirewallAlias {
  const alias = aliases[String(name).toLowerCase()]
  if (!alias) throw parameterError({ name: 'no such alias' })
  return alias
}

function update(aliases: Aliases, call: FirewallCall): void {
  const { params } = call
  requireSameDigest(listDigest(listOfAliases(aliases)), params['digest'])
  requireAlias(aliases, params['name'])
  const alias = aliasFrom(call)
  const key = alias.name.toLowerCase()
  const renamed = params['rename'] === undefined ? alias.name : String(params['rename'])
  if (renamed.toLowerCase() !== key) {
    requireFree(aliases, renamed)
    alias.name = renamed
    delete aliases[key]
  }
  aliases[alias.name.toLowerCase()] = alias
}

export function aliasRoutes(scope: FirewallScope): Route[] {
  const { audit, modify, parameters } = scope
  const path = `${scope.path}/aliases`
  const one = { ...parameters, name: aliasName }
  const aliasesOf = ({ pve, params }: FirewallCall): Aliases => scope.conf(pve, params).aliases
  return [
    route({
      method: 'GET',
      path,
      permission: audit,
      parameters,
      handle: call => withListDigest(listOfAliases(aliasesOf(call as FirewallCall))),
    }),
    route({
      method: 'POST',
      path,
      permission: modify,
      parameters: { ...one, cidr, comment: optional(text) },
      handle(call) {
        const aliases = aliasesOf(call as FirewallCall)
        const alias = aliasFrom(call as FirewallCall)
        requireFree(aliases, alias.name)
        aliases[alias.name.toLowerCase()] = alias
      },
    }),
    route({
      method: 'GET',
      path: `${path}/{name}`,
      permission: audit,
      parameters: one,
      handle: call => requireAlias(aliasesOf(call as FirewallCall), call.params.name),
    }),
    route({
      method: 'PUT',
      path: `${path}/{name}`,
      permission: modify,
      parameters: { ...one, cidr, comment: optional(text), rename: optional(aliasName), digest },
      handle: call => update(aliasesOf(call as FirewallCall), call as FirewallCall),
    }),
    route({
      method: 'DELETE',
      path: `${path}/{name}`,
      permission: modify,
      parameters: { ...one, digest },
      handle(call) {
        const aliases = aliasesOf(call as FirewallCall)
        requireSameDigest(listDigest(listOfAliases(aliases)), call.params.digest)
        delete aliases[String(call.params.name).toLowerCase()]
      },
    }),
  ]
}
