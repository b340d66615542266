/** Realms: where users come from and how they log in. domains.cfg as data (PVE/Auth/*.pm). */

import { createHash } from 'node:crypto'
import { failure } from '../core/errors.mts'
import { address, configId, matching } from '../core/formats.mts'
import { flag, listOf, optional, type Parameters, type RawParameters, text } from '../core/parameters.mts'
import type { Property, PropertyFormat } from '../core/property.mts'
import type { Pve } from '../core/pve.mts'
import type { RealmConfig } from '../core/state.mts'
import { realmId } from './formats.mts'

export type Realm = RealmConfig
export type RealmType = Realm['type']

function upTo(maxLength: number): Property & { type: 'string' } {
  return { type: 'string', maxLength }
}

const attribute = matching(
  /^[a-zA-Z0-9]+$/,
  value => `value '${value}' does not look like a simple ldap attribute name`,
)

export const SYNC_OPTIONS = {
  scope: optional({ type: 'string', enum: ['users', 'groups', 'both'] }),
  'remove-vanished': optional({
    type: 'string',
    pattern: /^(?:(?:(?:acl|properties|entry);)*(?:acl|properties|entry)|none)$/,
  }),
  'enable-new': optional(flag),
  full: optional(flag),
  purge: optional(flag),
} as const

export const syncFormat: PropertyFormat = { properties: SYNC_OPTIONS }

const tfaFormat: PropertyFormat = {
  properties: {
    type: { type: 'string', enum: ['yubico', 'oath'] },
    id: optional(text),
    key: optional(text),
    url: optional(text),
    digits: optional({ type: 'integer', minimum: 6, maximum: 8 }),
    step: optional({ type: 'integer', minimum: 10 }),
  },
}

const COMMON: Parameters = {
  comment: upTo(4096),
  default: flag,
  tfa: { ...upTo(128), format: tfaFormat },
}

const SERVER: Parameters = {
  server1: { ...upTo(256), format: address },
  server2: { ...upTo(256), format: address },
  port: { type: 'integer', minimum: 1, maximum: 65535 },
  secure: flag,
  sslversion: { type: 'string', enum: ['tlsv1', 'tlsv1_1', 'tlsv1_2', 'tlsv1_3'] },
  mode: { type: 'string', enum: ['ldap', 'ldaps', 'ldap+starttls'] },
  verify: flag,
  capath: text,
  cert: text,
  certkey: text,
  base_dn: upTo(256),
  bind_dn: upTo(256),
  password: text,
  user_attr: { ...upTo(256), pattern: /^\S{2,}$/ },
  filter: upTo(2048),
  sync_attributes: { type: 'string', pattern: /^\w+=[^,]+(,\s*\w+=[^,]+)*$/ },
  user_classes: { type: 'string', format: listOf(attribute) },
  group_dn: upTo(256),
  group_name_attr: { ...upTo(256), format: attribute },
  group_filter: upTo(2048),
  group_classes: { type: 'string', format: listOf(attribute) },
  'sync-defaults-options': { type: 'string', format: syncFormat },
  'case-sensitive': flag,
}

const URI_TEXT = /^[^\x00-\x1f\x7f <>#"]*$/

const OPENID: Parameters = {
  'issuer-url': upTo(256),
  'client-id': upTo(256),
  'client-key': upTo(256),
  autocreate: flag,
  'username-claim': text,
  'groups-claim': { ...upTo(256), pattern: /^[A-Za-z0-9.\-_]+$/ },
  'groups-autocreate': flag,
  'groups-overwrite': flag,
  prompt: { type: 'string', pattern: /^\S+$/ },
  scopes: text,
  'acr-values': { type: 'string', pattern: URI_TEXT },
  audiences: { type: 'string', pattern: URI_TEXT },
  'query-userinfo': flag,
}

const DOMAIN: Parameters = { domain: { ...upTo(256), pattern: /^\S+$/ } }

/** Options of all types. */
const PROPERTIES: Parameters = { ...COMMON, ...SERVER, ...OPENID, ...DOMAIN }

/** Options that each type has, and those that it must have. */
const TYPES: Record<RealmType, { options: Parameters; required: string[] }> = {
  pam: { options: COMMON, required: [] },
  pve: { options: COMMON, required: [] },
  ldap: { options: { ...COMMON, ...SERVER }, required: ['server1', 'base_dn', 'user_attr'] },
  ad: { options: { ...COMMON, ...SERVER, ...DOMAIN }, required: ['server1', 'domain'] },
  openid: {
    options: { ...OPENID, comment: COMMON['comment']!, default: flag },
    required: ['issuer-url', 'client-id'],
  },
}

/** Options that stay as they were made. */
const FIXED = ['username-claim']

const checkConnection = { 'check-connection': optional(flag) } as const

function allOptional(properties: Parameters): Parameters {
  return Object.fromEntries(Object.entries(properties).map(([key, each]) => [key, optional(each)]))
}

/** Parameters that make a realm. */
export const createParameters: Parameters = {
  ...allOptional(PROPERTIES),
  ...checkConnection,
  realm: realmId,
  type: { type: 'string', enum: Object.keys(TYPES).toSorted() },
}

/** Parameters that change a realm. */
export const updateParameters: Parameters = {
  ...allOptional(Object.fromEntries(Object.entries(PROPERTIES).filter(([key]) => !FIXED.includes(key)))),
  ...checkConnection,
  realm: realmId,
  digest: optional(upTo(64)),
  delete: optional({ ...upTo(4096), format: listOf(configId) }),
}

/** The two realms that are always there. */
const BUILT_IN: Record<string, Realm> = {
  pam: { type: 'pam', comment: 'Linux PAM standard authentication' },
  pve: { type: 'pve', comment: 'Proxmox VE authentication server' },
}

/** Returns all realms by id. */
export function realmsOf(pve: Pick<Pve, 'store'>): Record<string, Realm> {
  const { realms = {} } = pve.store.state
  const builtIn = Object.entries(BUILT_IN).map(([id, realm]) => [id, { ...realm, ...realms[id] }])
  return Object.assign(Object.create(null), realms, Object.fromEntries(builtIn))
}

/** Finds the realm of a user. @throws {ApiError} 500 if it does not exist. */
export function requireRealm(pve: Pick<Pve, 'store'>, userid: string): Realm {
  const id = userid.split('@').at(-1)!
  const realm = realmsOf(pve)[id]
  if (!realm) throw failure(`auth domain '${id}' does not exist`)
  return realm
}

/** Returns the SHA-1 of all realms, by which clients notice changes of others. */
export function digestOf(pve: Pick<Pve, 'store'>): string {
  return createHash('sha1')
    .update(JSON.stringify(realmsOf(pve)))
    .digest('hex')
}

function optionOf(type: RealmType, key: string, value: string): string | number {
  const property = TYPES[type].options[key]
  if (!property) throw failure(`unexpected property '${key}'`)
  if (/[\n\r]/.test(value)) throw failure('property contains a line feed')
  return property.type === 'string' ? value : Number(value)
}

/** Checks options against a type, and reads their values. @throws {ApiError} 500 for an option that the type lacks. */
export function optionsOf(type: RealmType, raw: RawParameters): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [key, optionOf(type, key, String(value))]),
  )
}

/** @throws {ApiError} 500 for the first option that is missing. */
export function requireComplete(type: RealmType, options: Record<string, unknown>): void {
  const missing = TYPES[type].required.find(key => options[key] === undefined)
  if (missing !== undefined) throw failure(`missing value for required option '${missing}'`)
}
