/** Operations on sets of addresses. A VM's set `ipfilter-netN` lists what its card N may use. */

import { failure, parameterError } from '../core/errors.mts'
import type { FirewallConf, IpsetEntry } from '../core/firewall-state.mts'
import { flag, optional, text } from '../core/parameters.mts'
import { type Route, route } from '../core/route.mts'
import { changeParameters, requireSameDigest } from '../sections/section-file.mts'
import { clusterFirewall, listDigest, withListDigest } from './conf.mts'
import { ALIAS, cidrOrAlias, cleanCidr, ipsetName } from './formats.mts'
import { renameEntries } from './rename.mts'
import type { FirewallCall, FirewallScope } from './scope.mts'

const { digest } = changeParameters
const cidr = { type: 'string', format: cidrOrAlias } as const

function namesOf({ ipsets }: FirewallConf): Record<string, unknown>[] {
  return Object.keys(ipsets)
    .sort()
    .map(name => ({ name, ...(ipsets[name]!.comment && { comment: ipsets[name]!.comment }) }))
}

function createSet(conf: FirewallConf, { params }: FirewallCall): void {
  const name = String(params['name'])
  const comment = params['comment'] as string | undefined
  if (params['rename'] !== undefined) {
    requireSameDigest(listDigest(namesOf(conf)), params['digest'])
    renameEntries(conf.ipsets, {
      key: 'name',
      kind: 'IPSet',
      from: String(params['rename']),
      to: name,
      comment,
    })
    return
  }
  if (conf.ipsets[name]) throw parameterError({ name: `IPSet '${name}' already exists` })
  conf.ipsets[name] = { comment, entries: [] }
}

function requireSet(conf: FirewallConf, name: unknown): IpsetEntry[] {
  const set = conf.ipsets[String(name)]
  if (!set) throw failure(`no such IPSet '${name}'`)
  return set.entries
}

/** Returns what an entry is kept as: a name that must exist, or a network. @throws {ApiError} */
function addressIn(conf: FirewallConf, cluster: FirewallConf, value: string): string {
  const [, scope, name] = ALIAS.exec(value) ?? []
  if (name === undefined) return cleanCidr(value)
  const alias = name.toLowerCase()
  const known =
    (scope !== 'dc/' && conf.aliases[alias] !== undefined) ||
    (scope !== 'guest/' && cluster.aliases[alias] !== undefined)
  if (!known) throw failure(`no such alias '${name}'`)
  return value
}

function add(conf: FirewallConf, { pve, params }: FirewallCall): void {
  const entries = requireSet(conf, params['name'])
  const address = addressIn(conf, clusterFirewall(pve), String(params['cidr']))
  if (entries.some(entry => entry.cidr === address))
    throw parameterError({ cidr: `address '${address}' already exists` })
  if (/\/0+$/.test(address)) throw parameterError({ cidr: 'a zero prefix is not allowed in ipset entries' })
  entries.push({
    cidr: address,
    ...(params['nomatch'] === true && { nomatch: 1 }),
    ...(params['comment'] ? { comment: String(params['comment']) } : {}),
  })
  // Proxmox writes a set in this order.
  entries.sort((a, b) => (a.cidr < b.cidr ? -1 : 1))
}

function find(entries: IpsetEntry[], address: unknown): number {
  return entries.findIndex(entry => entry.cidr === address)
}

function requireEntry(entries: IpsetEntry[], address: unknown): number {
  const index = find(entries, address)
  if (index < 0) throw parameterError({ cidr: 'no such IP/Network' })
  return index
}

function change(entries: IpsetEntry[], { params }: FirewallCall): void {
  requireSameDigest(listDigest(entries), params['digest'])
  const index = requireEntry(entries, params['cidr'])
  entries[index] = {
    cidr: entries[index]!.cidr,
    ...(params['nomatch'] === true && { nomatch: 1 }),
    ...(params['comment'] ? { comment: String(params['comment']) } : {}),
  }
}

function removeEntry(entries: IpsetEntry[], { params }: FirewallCall): void {
  requireSameDigest(listDigest(entries), params['digest'])
  const index = find(entries, params['cidr'])
  if (index >= 0) entries.splice(index, 1)
}

/** Operations on the sets themselves. */
function setRoutes(scope: FirewallScope): Route[] {
  const { audit, modify, parameters } = scope
  const path = `${scope.path}/ipset`
  return [
    route({
      method: 'GET',
      path,
      permission: audit,
      parameters,
      handle: ({ pve, params }) => withListDigest(namesOf(scope.conf(pve, params))),
    }),
    route({
      method: 'POST',
      path,
      permission: modify,
      parameters: {
        ...parameters,
        name: ipsetName,
        comment: optional(text),
        rename: optional(ipsetName),
        digest,
      },
      handle: call => createSet(scope.conf(call.pve, call.params), call as FirewallCall),
    }),
    route({
      method: 'DELETE',
      path: `${path}/{name}`,
      permission: modify,
      parameters: { ...parameters, name: ipsetName, force: optional(flag) },
      handle({ pve, params }) {
        const conf = scope.conf(pve, params)
        const name = String(params.name)
        if (requireSet(conf, name).length > 0 && !params.force) throw failure(`IPSet '${name}' is not empty`)
        delete conf.ipsets[name]
      },
    }),
  ]
}

/** Operations on the entries of a set. */
function entryRoutes(scope: FirewallScope): Route[] {
  const { audit, modify } = scope
  const path = `${scope.path}/ipset/{name}`
  const parameters = { ...scope.parameters, name: ipsetName }
  const entry = { ...parameters, cidr }
  const entriesOf = ({ pve, params }: FirewallCall): IpsetEntry[] =>
    requireSet(scope.conf(pve, params), params['name'])
  const values = { nomatch: optional(flag), comment: optional(text) }
  return [
    route({
      method: 'GET',
      path,
      permission: audit,
      parameters,
      handle: call => withListDigest(entriesOf(call as FirewallCall)),
    }),
    route({
      method: 'POST',
      path,
      permission: modify,
      parameters: { ...entry, ...values },
      handle: call => add(scope.conf(call.pve, call.params), call as FirewallCall),
    }),
    route({
      method: 'GET',
      path: `${path}/{cidr*}`,
      permission: audit,
      parameters: entry,
      handle(call) {
        const entries = entriesOf(call as FirewallCall)
        return withListDigest(entries)[requireEntry(entries, call.params.cidr)]
      },
    }),
    route({
      method: 'PUT',
      path: `${path}/{cidr*}`,
      permission: modify,
      parameters: { ...entry, ...values, digest },
      handle: call => change(entriesOf(call as FirewallCall), call as FirewallCall),
    }),
    route({
      method: 'DELETE',
      path: `${path}/{cidr*}`,
      permission: modify,
      parameters: { ...entry, digest },
      handle: call => removeEntry(entriesOf(call as FirewallCall), call as FirewallCall),
    }),
  ]
}

export function ipsetRoutes(scope: FirewallScope): Route[] {
  return [...setRoutes(scope), ...entryRoutes(scope)]
}
