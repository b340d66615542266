/** Firewall of the cluster, of each node, VM and vnet: options, rules, aliases, sets of addresses and groups. */

import { createHash } from 'node:crypto'
import type { FirewallConf, FirewallRule } from '../core/firewall-state.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { SectionValue } from '../core/state.mts'

function emptyConf(): FirewallConf {
  return {
    options: Object.create(null) as FirewallConf['options'],
    rules: [],
    aliases: Object.create(null) as FirewallConf['aliases'],
    ipsets: Object.create(null) as FirewallConf['ipsets'],
    groups: Object.create(null) as FirewallConf['groups'],
  }
}

/** Returns a firewall's configuration, empty if nothing was set. Callers may change it. @param name `cluster`, `vm/100`. */
function confNamed(pve: Pve, name: string): FirewallConf {
  pve.store.state.firewall ??= Object.create(null) as Record<string, FirewallConf>
  pve.store.state.firewall[name] ??= emptyConf()
  return pve.store.state.firewall[name]
}

export function clusterFirewall(pve: Pve): FirewallConf {
  return confNamed(pve, 'cluster')
}

export function nodeFirewall(pve: Pve, node: string): FirewallConf {
  return confNamed(pve, `node/${node}`)
}

export function vmFirewall(pve: Pve, vmid: number): FirewallConf {
  return confNamed(pve, `vm/${vmid}`)
}

export function vnetFirewall(pve: Pve, vnet: string): FirewallConf {
  return confNamed(pve, `vnet/${vnet}`)
}

/** Forgets the firewall of a VM that is deleted. */
export function removeVmFirewall(pve: Pve, vmid: number): void {
  delete pve.store.state.firewall?.[`vm/${vmid}`]
}

/** Gives a clone the firewall of its source. */
export function cloneVmFirewall(pve: Pve, from: number, to: number): void {
  const source = pve.store.state.firewall?.[`vm/${from}`]
  removeVmFirewall(pve, to)
  if (source) Object.assign(confNamed(pve, `vm/${to}`), structuredClone(source))
}

/** Replaces the name of a group in the rules of all firewalls. */
export function renameGroupInRules(pve: Pve, from: string, to: string): void {
  for (const { rules } of Object.values(pve.store.state.firewall ?? {}))
    for (const rule of rules) if (rule['type'] === 'group' && rule['action'] === from) rule['action'] = to
}

function linesOf(entry: object): string {
  return Object.entries(entry)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}:${value}\n`)
    .join('')
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

/** Returns the SHA-1 of a list, of which each entry of an answer has a copy. */
export function listDigest(list: readonly object[]): string {
  return sha1(list.map(linesOf).join(''))
}

export function withListDigest(list: readonly object[]): ApiObject[] {
  const digest = listDigest(list)
  return list.map(entry => ({ ...entry, digest }))
}

export function optionsDigest(options: Record<string, SectionValue>): string {
  return sha1(linesOf(options))
}

export function rulesWithPosition(rules: readonly FirewallRule[]): ApiObject[] {
  return withListDigest(rules).map((rule, pos) => ({ ...rule, pos }))
}
