/** Takes names out of text that a person pastes into an issue: hosts, users, storages, VMs, addresses, paths. */

import { isIPv6 } from 'node:net'

/** What a name is, for the word that takes its place. */
type Kind = 'node' | 'storage' | 'user' | 'host' | 'VM' | 'pool' | 'bridge' | 'path'

/** Names of a site by their kind. */
export type SiteNames = Partial<Record<Kind, readonly string[]>>

/** Names that are words of proxmint's own messages tell nothing, and are left. */
const OWN_WORDS = ['vm', 'vms', 'proxmint', 'debian', 'build', 'base', 'test', 'trial', 'config', 'registry']
/** Shorter names stand in ordinary words. */
const SHORTEST = 2

const PATTERNS: [RegExp, string][] = [
  [/https?:\/\/[^\s'"),;]+/g, '<URL>'],
  [/(?<![\w.@-])[\w.-]+@[\w.-]+![\w.-]+/g, '<API token>'],
  [/(?<![\w.@-])[\w.-]+@[\w-][\w.-]*/g, '<user>'],
  [/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi, '<MAC>'],
  [/(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)(?::\d+)?/g, '<address>'],
  [/\b(?:SHA256:|ssh-(?:ed25519|rsa) |ecdsa-sha2-\S+ )[A-Za-z0-9+/=]+/g, '<key>'],
  [/(?<![\w/])(?:~|\/(?:home|root|Users|tmp|var|etc|opt|mnt|srv|work))\/[^\s'"),;:]*/g, '<path>'],
]

/** Also times of day and MACs, which `isIPv6` tells apart. */
const IPV6 = /(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?!\w)/gi

function withoutIpv6(text: string): string {
  if (isIPv6(text)) return '<address>'
  return isIPv6(text.replace(/:$/, '')) ? '<address>:' : text
}

/** Replaces what has the form of an address, a user, a key or a path, and every name that is known, longest first. */
export function scrub(text: string, names: SiteNames): string {
  const known = Object.entries(names).flatMap(([kind, list]) =>
    list.filter(name => name.length >= SHORTEST && !OWN_WORDS.includes(name)).map(name => ({ kind, name })),
  )
  const paths = known.filter(({ kind }) => kind === 'path')
  const words = known.filter(({ kind }) => kind !== 'path')
  const withoutPaths = replaceNames(text, paths).replace(IPV6, withoutIpv6)
  const byForm = PATTERNS.reduce((so, [pattern, word]) => so.replace(pattern, word), withoutPaths)
  return replaceNames(byForm, words)
}

function replaceNames(text: string, names: { kind: string; name: string }[]): string {
  const longestFirst = names.toSorted((a, b) => b.name.length - a.name.length)
  return longestFirst.reduce((so, { kind, name }) => {
    const literal = name.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    return so.replaceAll(new RegExp(`(?<![\\w<-])${literal}(?![\\w>-])`, 'g'), `<${kind}>`)
  }, text)
}
