/** Forms of single values. Faults have the texts of Proxmox (PVE/JSONSchema.pm, PVE/ParseUtils.pm). */

import type { Verifier } from './property.mts'

/** Makes a check by a pattern for the whole value. */
export function matching(pattern: RegExp, fault: string | ((value: string) => string)): Verifier {
  return value => (pattern.test(value) ? undefined : typeof fault === 'string' ? fault : fault(value))
}

const OCTET = '(?:25[0-5]|(?:2[0-4]|1[0-9]|[1-9])?[0-9])'
const IPV4 = `(?:(?:${OCTET}\\.){3}${OCTET})`
const WORD = '(?:[0-9a-fA-F]{1,4})'
const LAST = `(?:${IPV4}|${WORD}:${WORD})`

/** Writes the pattern of IPv6 addresses with `::` in front of the last `after` words. */
function shortened(after: number): string {
  const before = `(?:(?:${WORD}:){0,${Math.max(0, 4 - after)}}${WORD})?::`
  return `${after === 5 ? '::' : before}(?:${WORD}:){${after}}${LAST}`
}

const IPV6 = `(?:${[
  `(?:${WORD}:){6}${LAST}`,
  ...[5, 4, 3, 2, 1, 0].map(shortened),
  `(?:(?:${WORD}:){0,5}${WORD})?::${WORD}`,
  `(?:(?:${WORD}:){0,6}${WORD})?::`,
].join('|')})`

/** Makes a check for an address with the length of its prefix, which Proxmox wants to be at least 8. */
function cidrCheck(addressPattern: string, longest: number): (value: string) => boolean {
  const pattern = new RegExp(`^${addressPattern}/(\\d+)$`)
  return value => {
    const length = Number(pattern.exec(value)?.[1])
    return length > 7 && length <= longest
  }
}

const isCidr4 = cidrCheck(IPV4, 32)
const isCidr6 = cidrCheck(IPV6, 128)

export const ipv4 = matching(new RegExp(`^${IPV4}$`), 'value does not look like a valid IPv4 address')
export const ipv6 = matching(new RegExp(`^${IPV6}$`), 'value does not look like a valid IPv6 address')
export const ip = matching(new RegExp(`^(?:${IPV4}|${IPV6})$`), 'value does not look like a valid IP address')

export const cidr: Verifier = value =>
  isCidr4(value) || isCidr6(value) ? undefined : 'value does not look like a valid CIDR network'

export const ipv4Config: Verifier = value =>
  /^(dhcp|manual)$/.test(value) || isCidr4(value)
    ? undefined
    : 'value does not look like a valid ipv4 network configuration'

export const ipv6Config: Verifier = value =>
  /^(auto|dhcp|manual)$/.test(value) || isCidr6(value)
    ? undefined
    : 'value does not look like a valid ipv6 network configuration'

export const dnsNameFormat = matching(
  /^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/,
  'value does not look like a valid DNS name',
)

export const address: Verifier = value =>
  ip(value) === undefined || dnsNameFormat(value) === undefined
    ? undefined
    : `value does not look like a valid address: ${value}`

export const macAddress = matching(
  /^[a-f0-9][02468ace](:[a-f0-9]{2}){5}$/i,
  'value does not look like a valid unicast MAC address',
)

export const bridgeId = matching(/^[-_.\w]+$/, value => `invalid bridge ID '${value}'`)
export const configId = matching(/^[a-z][a-z0-9_-]+$/i, value => `invalid configuration ID '${value}'`)
export const nodeFormat = matching(
  /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/,
  'value does not look like a valid node name',
)
export const tag = matching(/^[a-z0-9_][a-z0-9_\-+.]*$/i, 'invalid characters in tag')
export const vmidFormat = matching(/^[1-9][0-9]{2,8}$/, 'value does not look like a valid VM ID')
export const urlEncoded = matching(/^[-%a-zA-Z0-9_.!~*'()]*$/, value => `invalid urlencoded string: ${value}`)
export const userIdFormat: Verifier = value => {
  if (value.length < 3) return `user name '${value}' is too short`
  if (value.length > 64) return `user name '${value}' is too long (${value.length} > 64)`
  if (!/^[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+$/.test(value))
    return `value '${value}' does not look like a valid user name`
  return undefined
}

export const email = matching(
  /^[\w+~-]+(\.[\w+~-]+)*@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$/,
  'value does not look like a valid email address',
)

/** Makes a check that allows an empty text. */
export function orEmpty(verify: Verifier): Verifier {
  return value => (value === '' || value === '0' ? undefined : verify(value))
}

/** Makes the check of an id of at least two characters. @param kind word in the fault, such as `storage`. */
export function idOf(kind: string): Verifier {
  return value => {
    if (value.length < 2) return `${kind} ID '${value}' cannot be shorter than 2 characters`
    if (!/^[a-z][a-z0-9\-_.]*[a-z0-9]$/i.test(value))
      return `${kind} ID '${value}' contains illegal characters`
    return undefined
  }
}

export const diskSize = matching(
  /^\d+(\.\d+)?([KMGT](iB)?)?$/,
  value => `value does not look like a valid disk size: ${value}`,
)

function isStartupPart(part: string): boolean {
  return /^\s*$|^(order=)?\d+$|^(up|down)=\d+$/.test(part)
}

export const startupOrder: Verifier = value =>
  value !== '' && value !== '0' && value.split(',').every(isStartupPart)
    ? undefined
    : 'unable to parse startup options'
