/** DNS, hosts, time and options of a node. */

import { createHash } from 'node:crypto'
import { failure, parameterError } from '../core/errors.mts'
import { configId, dnsNameFormat, ip, ipv4, macAddress, matching } from '../core/formats.mts'
import { nodeName, optional, splitList, text } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import type { Properties, PropertyFormat } from '../core/property.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { ifaceFormat } from '../firewall/formats.mts'
import { changeParameters, optionsFrom, requireSameDigest } from '../sections/section-file.mts'
import { filesOf } from './files.mts'

const node = { node: nodeName }
const mayAudit = allOf('/nodes/{node}', 'Sys.Audit')
const mayModify = allOf('/nodes/{node}', 'Sys.Modify')
const address = { type: 'string', format: ip, optional: true } as const
const { digest, delete: deleted } = changeParameters

function sha1(content: string): string {
  return createHash('sha1').update(content).digest('hex')
}

const DEFAULT_DNS = { search: 'lab.test', dns1: '192.168.122.1' }

const dnsRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/nodes/{node}/dns',
    permission: mayAudit,
    parameters: node,
    handle: ({ pve }) => filesOf(pve).dns ?? DEFAULT_DNS,
  }),
  route({
    method: 'PUT',
    path: '/nodes/{node}/dns',
    permission: mayModify,
    parameters: { ...node, search: text, dns1: address, dns2: address, dns3: address },
    handle({ pve, params: { search, dns1, dns2, dns3 } }) {
      // Servers are numbered anew when the file is read.
      const servers = [dns1, dns2, dns3].filter(server => server !== undefined && server !== '')
      filesOf(pve).dns = {
        ...(search !== '' && { search }),
        ...Object.fromEntries(servers.map((server, index) => [`dns${index + 1}`, server!])),
      }
    },
  }),
]

function hostsOf(pve: Pve): string {
  return (
    filesOf(pve).hosts ??
    `127.0.0.1 localhost.localdomain localhost\n192.168.122.1 ${pve.node}.lab.test ${pve.node}\n`
  )
}

const hostsRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/nodes/{node}/hosts',
    permission: allOf('/', 'Sys.Audit'),
    parameters: node,
    handle: ({ pve }) => ({ data: hostsOf(pve), digest: sha1(hostsOf(pve)) }),
  }),
  route({
    method: 'POST',
    path: '/nodes/{node}/hosts',
    permission: mayModify,
    parameters: { ...node, data: text, digest },
    handle({ pve, params }) {
      requireSameDigest(sha1(hostsOf(pve)), params.digest)
      filesOf(pve).hosts = params.data
    },
  }),
]

/** Seconds by which a zone's clock is ahead of UTC. */
function offsetOf(timezone: string, seconds: number): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  }).formatToParts(seconds * 1000)
  const of = (type: string): number => Number(parts.find(part => part.type === type)!.value)
  const local = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
  return local / 1000 - seconds
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return /^[A-Z]/.test(name)
  } catch {
    return false
  }
}

const timeRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/nodes/{node}/time',
    permission: mayAudit,
    parameters: node,
    handle({ pve }) {
      const timezone = filesOf(pve).timezone ?? 'UTC'
      const time = Math.floor(pve.now() / 1000)
      return { timezone, time, localtime: time + offsetOf(timezone, time) }
    },
  }),
  route({
    method: 'PUT',
    path: '/nodes/{node}/time',
    permission: mayModify,
    parameters: { ...node, timezone: text },
    handle({ pve, params: { timezone } }) {
      if (!isTimezone(timezone)) throw parameterError({ timezone: 'No such timezone' })
      filesOf(pve).timezone = timezone
    },
  }),
]

const domain = {
  type: 'string',
  format: matching(
    /^(\*\.)?[a-zA-Z0-9][a-zA-Z0-9.-]*$/,
    value => `value '${value}' does not look like a valid domain name!`,
  ),
} as const

const ACME: PropertyFormat = {
  properties: {
    account: { type: 'string', optional: true },
    domains: { type: 'string', optional: true },
  },
}
const ACME_DOMAIN: PropertyFormat = {
  properties: {
    domain: { ...domain, defaultKey: true },
    plugin: { type: 'string', format: configId, optional: true },
    alias: { type: 'string', format: dnsNameFormat, optional: true },
  },
}
const WAKE: PropertyFormat = {
  properties: {
    mac: { type: 'string', format: macAddress, defaultKey: true },
    'bind-interface': { type: 'string', format: ifaceFormat, optional: true },
    'broadcast-address': { type: 'string', format: ipv4, optional: true },
  },
}

const NODE_OPTIONS: Properties = {
  description: { type: 'string', maxLength: 64 * 1024, optional: true },
  'startall-onboot-delay': { type: 'integer', minimum: 0, maximum: 300, optional: true },
  'ballooning-target': { type: 'integer', minimum: 0, maximum: 100, optional: true },
  wakeonlan: { type: 'string', format: WAKE, optional: true },
  acme: { type: 'string', format: ACME, optional: true },
  'acmedomain[n]': { type: 'string', format: ACME_DOMAIN, count: 6, optional: true },
}

type Options = Record<string, string | number>

/** Returns the SHA-1 of a node's options; undefined if there is no file. */
function configDigest(options: Options): string | undefined {
  const lines = Object.keys(options)
    .sort()
    .map(key => `${key}: ${options[key]}\n`)
  return lines.length === 0 ? undefined : sha1(lines.join(''))
}

/** @throws {ApiError} for a domain that two options name. */
function requireUniqueDomains(options: Options): void {
  const seen = new Map<string, string>()
  const own = parsePropertyString(ACME, String(options['acme'] ?? ''))['domains'] ?? ''
  for (const name of own.toLowerCase().split(';').filter(Boolean)) {
    if (seen.has(name)) throw failure(`duplicate domain '${name}' in ACME config properties`)
    seen.set(name, 'acme')
  }
  for (const key of Object.keys(options).filter(each => each.startsWith('acmedomain'))) {
    const name = parsePropertyString(ACME_DOMAIN, String(options[key]))['domain']!.toLowerCase()
    const other = seen.get(name)
    if (other !== undefined)
      throw failure(`duplicate domain '${name}' in ACME config properties '${key}' and '${other}'`)
    seen.set(name, key)
  }
}

const configRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/nodes/{node}/config',
    permission: allOf('/', 'Sys.Audit'),
    parameters: { ...node, property: optional(text) },
    handle({ pve, params: { property } }) {
      const options = filesOf(pve).config ?? {}
      if (property !== undefined) return property in options ? { [property]: options[property] } : {}
      const now = configDigest(options)
      return { ...options, ...(now !== undefined && { digest: now }) }
    },
  }),
  route({
    method: 'PUT',
    path: '/nodes/{node}/config',
    permission: allOf('/', 'Sys.Modify'),
    parameters: { ...NODE_OPTIONS, ...node, digest, delete: deleted },
    handle({ pve, params }) {
      const before = filesOf(pve).config ?? {}
      if (Object.keys(before).length > 0) requireSameDigest(configDigest(before)!, params.digest)
      const options: Options = { ...before, ...(optionsFrom(params, ['node']) as Options) }
      for (const key of splitList(params.delete as string | undefined)) delete options[key]
      requireUniqueDomains(options)
      filesOf(pve).config = options
    },
  }),
]

export const systemRoutes: Route[] = [...dnsRoutes, ...hostsRoutes, ...timeRoutes, ...configRoutes]
