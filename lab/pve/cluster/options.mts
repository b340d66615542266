/** /cluster/options: what holds for the whole cluster. */

import { failure } from '../core/errors.mts'
import { configId } from '../core/formats.mts'
import { listOf, splitList } from '../core/parameters.mts'
import { allOf, anyone, type Caller, hasAll } from '../core/permission.mts'
import { findProperty, type Property } from '../core/property.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { optionsFrom } from '../sections/section-file.mts'
import { clusterOptions, OPTION_PARTS } from './option-formats.mts'

/** First three bytes of the MAC addresses that Proxmox gives out. */
const DEFAULT_MAC_PREFIX = 'BC:24:11'
const NEXT_ID = { lower: 100, upper: 1_000_000 }

type Options = Record<string, string | number>

/** Returns the options that were set. Callers may change them. The installer sets the keyboard. */
function optionsOf(pve: Pve): Options {
  pve.store.state.clusterOptions ??= { keyboard: 'en-us' }
  return pve.store.state.clusterOptions
}

/** Returns the lowest VMID that `nextid` looks at, and the first that it does not. */
export function nextIdRange(pve: Pve): { lower: number; upper: number } {
  const text = String(optionsOf(pve)['next-id'] ?? '')
  const { lower, upper } = parsePropertyString(OPTION_PARTS['next-id']!, text)
  return { lower: Number(lower ?? NEXT_ID.lower), upper: Number(upper ?? NEXT_ID.upper) }
}

function tagsIn(value: unknown): string[] {
  return String(value ?? '')
    .split(';')
    .filter(Boolean)
}

/** Returns a part of an option as JSON has it. */
function partValue(property: Property | undefined, value: string): unknown {
  return property?.type === 'integer' || property?.type === 'boolean' ? Number(value) : value
}

function shown(key: string, value: string | number): unknown {
  if (key === 'registered-tags') return tagsIn(value)
  const format = OPTION_PARTS[key]
  if (!format) return value
  const parts: ApiObject = Object.fromEntries(
    Object.entries(parsePropertyString(format, String(value))).map(([part, text]) => [
      part,
      partValue(findProperty(format.properties, part), text),
    ]),
  )
  return key === 'user-tag-access' && parts['user-allow-list'] !== undefined
    ? { ...parts, 'user-allow-list': tagsIn(parts['user-allow-list']) }
    : parts
}

/** Lists the tags that a user may give: registered ones, and, as the options say, those of VMs that he sees. */
function allowedTags(pve: Pve, caller: Caller): string[] {
  const options = optionsOf(pve)
  const access = parsePropertyString(
    OPTION_PARTS['user-tag-access']!,
    String(options['user-tag-access'] ?? ''),
  )
  const policy = access['user-allow'] ?? 'free'
  const isAdmin = hasAll(caller, '/', 'Sys.Modify')
  const registered = tagsIn(options['registered-tags'])
  const listed = policy === 'none' && !isAdmin ? [] : tagsIn(access['user-allow-list'])
  const inUse = Object.values(pve.store.state.vms)
    .filter(vm => hasAll(caller, `/vms/${vm.vmid}`, 'VM.Audit'))
    .flatMap(vm => tagsIn(vm.config['tags']?.replaceAll(/[,\s]/g, ';')))
  const existing = isAdmin || policy === 'free' || policy === 'existing' ? inUse : []
  return [...new Set([...(isAdmin || policy === 'free' ? registered : []), ...listed, ...existing])].sort()
}

function visibleOptions(pve: Pve, caller: Caller): ApiObject {
  const all: Options = { mac_prefix: DEFAULT_MAC_PREFIX, ...optionsOf(pve) }
  const mayAudit = hasAll(caller, '/', 'Sys.Audit')
  const entries = Object.entries(all).filter(([key]) => mayAudit || key === 'console' || key === 'tag-style')
  return {
    ...Object.fromEntries(entries.map(([key, value]) => [key, shown(key, value)])),
    'allowed-tags': allowedTags(pve, caller),
  }
}

function requireRange(pve: Pve, options: Options): void {
  const before = pve.store.state.clusterOptions
  pve.store.state.clusterOptions = options
  const { lower, upper } = nextIdRange(pve)
  if (lower <= upper) return
  pve.store.state.clusterOptions = before!
  throw failure(`lower (${lower}) <= upper (${upper}) boundary rule broken`)
}

function change(pve: Pve, params: Record<string, unknown>): void {
  const options: Options = { ...optionsOf(pve), ...(optionsFrom(params) as Options) }
  for (const key of splitList(params['delete'] as string | undefined)) delete options[key]
  if (options['console'] === 'applet') options['console'] = 'html5'
  if (options['migration_unsecure'] !== undefined && options['migration'] === undefined)
    options['migration'] = `type=${options['migration_unsecure'] ? 'insecure' : 'secure'}`
  delete options['migration_unsecure']
  const isEmpty = (key: string): boolean => options[key] === ''
  for (const key of Object.keys(options).filter(isEmpty)) delete options[key]
  requireRange(pve, options)
}

export const clusterOptionRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/cluster/options',
    permission: anyone,
    parameters: {},
    handle: ({ pve, caller }) => visibleOptions(pve, caller),
  }),
  route({
    method: 'PUT',
    path: '/cluster/options',
    permission: allOf('/', 'Sys.Modify'),
    parameters: {
      ...clusterOptions,
      delete: { type: 'string', format: listOf(configId), optional: true },
    },
    handle: ({ pve, params }) => change(pve, params),
  }),
]
