/** Addresses, ports and protocols of the firewall, with the texts of their faults (PVE/Firewall.pm). */

import { isIP, isIPv6 } from 'node:net'
import { ip, matching } from '../core/formats.mts'
import type { Property, Verifier } from '../core/property.mts'

const NAME = '[A-Za-z][A-Za-z0-9\\-_]+'
export const ALIAS = new RegExp(`^(dc/|guest/)?(${NAME})$`)
export const IPSET = new RegExp(`^\\+(guest/|dc/|sdn/)?(${NAME})$`)
const MAX_NAME = 64

export const ipsetName: Property = {
  type: 'string',
  pattern: new RegExp(`^${NAME}$`),
  minLength: 2,
  maxLength: MAX_NAME,
}
export const aliasName: Property = ipsetName
export const groupName: Property = { ...ipsetName, maxLength: 18 }

const LOG_LEVELS = [...['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug', 'nolog']]
export const logLevel: Property = { type: 'string', enum: LOG_LEVELS, optional: true }

/** Interface of a node, or card of a VM. */
export const ifaceFormat = matching(
  /^[a-z][a-z0-9_]{1,20}([:.]\d+)?$/i,
  value => `invalid network interface name '${value}'`,
)

/** Splits an address with an optional length of its prefix. Undefined: it is not one. */
function splitCidr(value: string): { address: string; length: number; version: 4 | 6 } | undefined {
  const [, address = '', length] = /^([^/]+)(?:\/(\d+))?$/.exec(value) ?? []
  const version = isIP(address)
  const longest = version === 4 ? 32 : 128
  if (version === 0 || Number(length ?? longest) > longest) return undefined
  return { address, length: Number(length ?? longest), version: version as 4 | 6 }
}

export const cidrFormat: Verifier = value =>
  splitCidr(value) ? undefined : 'value does not look like a valid IP address or CIDR network'

export const cidrOrAlias: Verifier = value => (ALIAS.test(value) ? undefined : cidrFormat(value))

function bitsOf(address: string): bigint {
  if (!isIPv6(address)) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
  const dotted = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts) => {
    const [a, b, c, d] = parts.slice(0, 4).map(Number) as [number, number, number, number]
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [before = '', after] = dotted.split('::')
  const words = (text: string): string[] => text.split(':').filter(Boolean)
  const missing = after === undefined ? 0 : 8 - words(before).length - words(after).length
  const all = [...words(before), ...Array<string>(missing).fill('0'), ...words(after ?? '')]
  return all.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n)
}

function addressOf(bits: bigint, version: 4 | 6): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map(shift => (bits >> shift) & 255n).join('.')
  const words = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)
}

/** Writes a network as Proxmox keeps it: no bits behind the prefix, no prefix of a single address. */
export function cleanCidr(value: string): string {
  const { address, length, version } = splitCidr(value)!
  const width = version === 4 ? 32 : 128
  if (length === width) return address
  const shift = BigInt(width - length)
  return `${addressOf((bitsOf(address) >> shift) << shift, version)}/${length}`
}

/** Writes a network as an alias keeps it: no prefix of a single address. */
export function withoutFullPrefix(value: string): string {
  return value.replace(isIPv6(value.split('/')[0]!) ? /\/128$/ : /\/32$/, '')
}

export function ipVersionOf(value: string): 4 | 6 {
  return isIPv6(value.split('/')[0]!) ? 6 : 4
}

/** Returns the version of an element of a list. @throws {Error} for what is neither address, network nor range. */
function elementVersion(element: string): 4 | 6 {
  const [first = '', last] = element.split('-')
  const isRange = last !== undefined && ip(first) === undefined && ip(last) === undefined
  const found = isRange ? { version: ipVersionOf(first) } : splitCidr(element)
  if (!found) throw new Error(`invalid IP address: Cannot determine IP version for ${element}`)
  return found.version
}

/** Splits a list at its commas. An empty text is an empty list: clients clear an option with it. @throws {Error} */
function elementsOf(list: string): string[] {
  const elements = list.split(',')
  if (list !== '' && elements.at(-1) === '') throw new Error('extraneous commas in list')
  return list === '' ? [] : elements
}

/** Checks a list of addresses, networks or one range. @returns the version of its addresses. */
function addressesVersion(list: string): 4 | 6 | undefined {
  const elements = elementsOf(list)
  const versions = new Set(elements.map(elementVersion))
  if (versions.size > 1) throw new Error(`detected mixed ipv4/ipv6 addresses in address list '${list}'`)
  if (elements.length > 1 && elements.some(each => each.includes('-')))
    throw new Error("you can't use a range in a list")
  return [...versions][0]
}

/**
 * Checks the source or destination of a rule: `+ipset`, an alias, or addresses.
 * @returns the version of the addresses; undefined for a name. @throws {Error} with Proxmox's text.
 */
export function addressListVersion(value: string): 4 | 6 | undefined {
  if (/^\+\S+$/.test(value)) {
    if (value.length > MAX_NAME + 1) throw new Error('ipset name too long')
    return undefined
  }
  if (!ALIAS.test(value)) return addressesVersion(value)
  if (value.length > MAX_NAME) throw new Error('alias name too long')
  return undefined
}

/** Makes a check of a function that throws. */
function verifierOf(parse: (value: string) => unknown): Verifier {
  return value => {
    try {
      parse(value)
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
}

export const addressSpec = verifierOf(addressListVersion)

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean))

/** Services by name, as in /etc/services of a node. */
const SERVICES = words(`
  tcpmux echo discard systat daytime netstat qotd chargen ftp-data ftp ssh telnet smtp time whois tacacs domain bootps
  bootpc tftp gopher finger http kerberos iso-tsap acr-nema pop3 sunrpc auth nntp ntp epmap netbios-ns netbios-dgm
  netbios-ssn imap2 snmp snmp-trap cmip-man mailq xdmcp bgp smux qmtp z3950 ipx ptp pawserv rpc2portmap codaauth2
  ldap svrloc https snpp microsoft-ds kpasswd submissions saft isakmp rtsp nqs asf-rmcp qmqp nntps submission ldaps
  tinc silc ipp domain-s iscsi-target rsync ftps-data ftps telnets imaps pop3s socks proofd rootd openvpn rmiregistry
  lotusnote ms-sql-s ms-sql-m ingreslock datametrics l2f radius radius-acct cisco-sccp nfs gnunet rtcm-sc104 gsigatekeeper
  cvspserver icpv2 mysql svn suucp epmd remctl iax mtn radmin-port sip sip-tls xmpp-client xmpp-server cfengine mdns
  postgresql freeciv amqps amqp x11 gnutella-svc redis babel ircs-u bacula-dir bacula-fd bacula-sd xmms2 zabbix-agent
  zabbix-trapper amanda hkp http-alt puppet syslog syslog-tls who shell login exec printer`)

const ICMP = words(`
  any echo-reply destination-unreachable network-unreachable host-unreachable protocol-unreachable port-unreachable
  fragmentation-needed source-route-failed network-unknown host-unknown network-prohibited host-prohibited
  TOS-network-unreachable TOS-host-unreachable communication-prohibited host-precedence-violation precedence-cutoff
  source-quench redirect network-redirect host-redirect TOS-network-redirect TOS-host-redirect echo-request
  router-advertisement router-solicitation time-exceeded ttl-zero-during-transit ttl-zero-during-reassembly
  parameter-problem ip-header-bad required-option-missing timestamp-request timestamp-reply address-mask-request
  address-mask-reply`)

const ICMP_6 = words(`
  destination-unreachable no-route communication-prohibited beyond-scope address-unreachable port-unreachable
  failed-policy reject-route packet-too-big time-exceeded ttl-zero-during-transit ttl-zero-during-reassembly
  parameter-problem bad-header unknown-header-type unknown-option echo-request echo-reply router-solicitation
  router-advertisement neighbor-solicitation neighbour-solicitation neighbor-advertisement neighbour-advertisement
  redirect`)

/** Checks an ICMP type of a protocol. */
export function isIcmpType(protocol: string | undefined, name: string): boolean {
  if (protocol === 'icmp') return ICMP.has(name)
  return protocol === 'icmpv6' || protocol === 'ipv6-icmp' ? ICMP_6.has(name) : true
}

export const icmpTypeSpec: Verifier = value =>
  value === '' || ICMP.has(value) || ICMP_6.has(value) ? undefined : `invalid icmp-type value '${value}'`

const PORT_NUMBERS_MAX = 15

/** @returns the count of numbers: a range has two. @throws {Error} */
function portNumbers(item: string): number {
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(item) ?? []
  const ports = [first, last].filter(port => port !== undefined)
  for (const port of ports) if (Number(port) > 65_535) throw new Error(`invalid port '${port}'`)
  if (last !== undefined && Number(first) > Number(last))
    throw new Error(`backwards range '${first}:${last}' not allowed, did you mean '${last}:${first}'?`)
  return ports.length
}

/** Checks ports by number, range or name. @param allowIcmp true: the name of an ICMP type is fine, alone. */
function requirePorts(list: string, allowIcmp: boolean): void {
  const items = elementsOf(list)
  let count = 0
  let isIcmp = false
  for (const item of items) {
    count += portNumbers(item)
    if (/^\d+(:\d+)?$/.test(item)) continue
    if (allowIcmp && (ICMP.has(item) || ICMP_6.has(item))) isIcmp = true
    else if (!SERVICES.has(item)) throw new Error(`invalid port '${item}'`)
  }
  if (isIcmp && count > 0) throw new Error('ICMP ports not allowed in port range')
  if (count > PORT_NUMBERS_MAX) throw new Error('too many entries in port list (> 15 numbers)')
}

export const sourcePorts = verifierOf(value => requirePorts(value, false))
export const destinationPorts = verifierOf(value => requirePorts(value, true))

const PROTOCOLS = words(`
  ip icmp igmp ggp ipencap st tcp egp igp pup udp hmp xns-idp rdp iso-tp4 dccp xtp ddp idpr-cmtp ipv6 ipv6-route
  ipv6-frag idrp rsvp gre esp ah skip ipv6-icmp icmpv6 ipv6-nonxt ipv6-opts rspf vmtp eigrp ospf ax.25 ipip etherip
  encap pim ipcomp vrrp l2tp isis sctp fc mobility-header udplite mpls-in-ip manet hip shim6 wesp rohc ethernet`)

const PROTOCOL_NUMBERS = words(`
  0 1 2 3 4 5 6 8 9 12 17 20 22 27 29 33 36 37 38 41 43 44 45 46 47 50 51 57 58 59 60 73 81 88 89 93 94 97 98 103 108
  112 115 124 132 133 135 136 137 138 139 140 141 142 143`)

export const protocolSpec: Verifier = value =>
  value === '' || PROTOCOLS.has(value) || PROTOCOL_NUMBERS.has(value)
    ? undefined
    : `unknown protocol '${value}'`

const WITH_PORTS = words('udp 17 udplite 136 tcp 6 dccp 33 sctp 132')

export function hasPorts(protocol: string): boolean {
  return WITH_PORTS.has(protocol)
}

export function isIcmp(protocol: string | undefined): boolean {
  return ['icmp', 'icmpv6', 'ipv6-icmp'].includes(protocol ?? '')
}

const HELPERS = words('amanda ftp irc netbios-ns pptp sane sip snmp tftp')

export const conntrackHelpers = verifierOf(value => {
  const unknown = elementsOf(value).find(helper => !HELPERS.has(helper))
  if (unknown !== undefined) throw new Error(`unknown helper ${unknown}`)
})
