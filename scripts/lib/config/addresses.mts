import ipaddr from 'ipaddr.js'

/** IPv4 or IPv6 address as a number, so that ranges are plain arithmetic. */
export interface Address {
  family: 4 | 6
  value: bigint
}

/** Range from first to last address, both included. */
export interface AddressRange {
  family: 4 | 6
  first: bigint
  last: bigint
}

/** Parses an address; undefined if it is not in the usual notation (`10.1`, `0x7f.1` and zone ids are not). */
export function parseAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return addressOf(ipaddr.IPv4.parse(text))
  if (ipaddr.IPv6.isValid(text) && !text.includes('%')) return addressOf(ipaddr.IPv6.parse(text))
  return undefined
}

function addressOf(parsed: ipaddr.IPv4 | ipaddr.IPv6): Address {
  const value = parsed.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  return { family: parsed.kind() === 'ipv4' ? 4 : 6, value }
}

/** Formats an address in its canonical notation: `192.168.122.200`, `2001:db8::1`. */
export function formatAddress({ family, value }: Address): string {
  const length = family === 4 ? 4 : 16
  const bytes = Array.from({ length }, (_, index) =>
    Number((value >> BigInt(8 * (length - 1 - index))) & 255n),
  )
  return ipaddr.fromByteArray(bytes).toString()
}

/**
 * Parses `FIRST-LAST` or CIDR; undefined for other text. A CIDR range leaves out its first address (the network, or the
 * anycast address of routers) and its last (broadcast), unless it has no others.
 */
export function parseRange(text: string): AddressRange | undefined {
  return text.includes('/') ? parseCidr(text) : parseFirstLast(text)
}

function parseFirstLast(text: string): AddressRange | undefined {
  const [first, last, ...more] = text.split('-').map(part => parseAddress(part.trim()))
  if (first === undefined || last === undefined || more.length > 0) return undefined
  if (first.family !== last.family || first.value > last.value) return undefined
  return { family: first.family, first: first.value, last: last.value }
}

function parseCidr(text: string): AddressRange | undefined {
  const [base, length, ...more] = text.split('/')
  const address = parseAddress(base ?? '')
  if (address === undefined || more.length > 0 || !/^\d{1,3}$/.test(length ?? '')) return undefined
  if (Number(length) > bitsOf(address.family)) return undefined
  const { first, last } = networkOf(address, Number(length))
  const inner = last - first > 1n ? 1n : 0n
  return { family: address.family, first: first + inner, last: last - inner }
}

/** Network of an address, with all its addresses. */
export function networkOf({ family, value }: Address, prefix: number): AddressRange {
  const hostBits = BigInt(bitsOf(family) - prefix)
  const first = (value >> hostBits) << hostBits
  return { family, first, last: first + (1n << hostBits) - 1n }
}

export function bitsOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128
}

/** Whether an address is valid on one link alone: `fe80::1`, the gateway that many routers announce. */
export function isLinkLocal(address: Address): boolean {
  return contains(networkOf({ family: 6, value: 0xfe80n << 112n }, 10), address)
}

/** Whether a gateway is reached on the link although the network of the address does not hold it. */
export function isOnLink(gateway: Address, address: Address, prefix: number): boolean {
  return gateway.family === address.family && !contains(networkOf(address, prefix), gateway)
}

export function contains(range: AddressRange, { family, value }: Address): boolean {
  return range.family === family && range.first <= value && value <= range.last
}

export function overlap(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last
}
