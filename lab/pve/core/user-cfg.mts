/** Proxmox's `user.cfg`: one line per user, API token, group, role, pool or ACL (PVE/AccessControl.pm). */

import { splitList } from './parameters.mts'

export interface User {
  enable: boolean
  /** Seconds since the epoch; 0: never. */
  expire: number
  firstname: string
  lastname: string
  email: string
  comment: string
  keys: string
}

export interface ApiToken {
  /** Seconds since the epoch; 0: never. */
  expire: number
  /** Privilege separation: the token has only privileges that both it and its owner have. */
  privsep: boolean
  comment: string
}

export interface Pool {
  comment: string
  vms: number[]
  storages: string[]
}

export type SubjectKind = 'user' | 'group' | 'token'

export interface AclEntry {
  path: string
  propagate: boolean
  kind: SubjectKind
  /** `joe@pve`, `admins` or `joe@pve!ci`. */
  subject: string
  role: string
}

/** Content of user.cfg. It has no built-in roles and no secrets. */
export interface AccessConfig {
  users: Record<string, User>
  /** API tokens by full id: `user@realm!tokenid`. */
  tokens: Record<string, ApiToken>
  groups: Record<string, { users: string[]; comment: string }>
  roles: Record<string, string[]>
  pools: Record<string, Pool>
  acl: AclEntry[]
}

export function emptyUser(): User {
  return {
    enable: true,
    expire: 0,
    firstname: '',
    lastname: '',
    email: '',
    comment: '',
    keys: '',
  }
}

/** Lists the pools above a pool: `a` and `a/b` for `a/b/c`. */
function parentsOf(poolid: string): string[] {
  const parts = poolid.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}

/** Returns the owner of a token: `joe@pve` of `joe@pve!ci`. A user is its own owner. */
export function ownerOf(authid: string): string {
  return authid.split('!')[0] ?? authid
}

export function isTokenId(authid: string): boolean {
  return authid.includes('!')
}

/** Normalizes an ACL path: `/vms/100/` and `vms//100` become `/vms/100`. Returns undefined for other texts. */
export function normalizePath(path: string): string | undefined {
  const joined = `/${path.split('/').filter(Boolean).join('/')}`
  return path !== '' && /^[A-Za-z0-9._/-]+$/.test(joined) ? joined : undefined
}

function decode(text: string | undefined): string {
  return decodeURIComponent((text ?? '').trim())
}

/** Encodes what separates fields, control characters, and all beyond ASCII (`encode_text` in PVE/ParseUtils.pm). */
export function encodeText(text: string): string {
  const encoded = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return text.replace(/[^\x20-\x24\x26-\x39\x3b-\x7e]/gu, char =>
    [...Buffer.from(char)].map(encoded).join(''),
  )
}

/** Returns a text as user.cfg gives it back: without spaces around it, and without `0`, which Perl takes for nothing. */
export function keptText(text: string): string {
  return text === '0' ? '' : text.replace(/^ +| +$/g, '')
}

function flag(value: boolean): '0' | '1' {
  return value ? '1' : '0'
}

function subjectOf(ugid: string): Pick<AclEntry, 'kind' | 'subject'> {
  if (ugid.startsWith('@')) return { kind: 'group', subject: ugid.slice(1) }
  return { kind: isTokenId(ugid) ? 'token' : 'user', subject: ugid }
}

function readAcl(config: AccessConfig, [propagate, rawPath, ugids, roles]: string[]): void {
  const path = normalizePath(rawPath ?? '')
  if (path === undefined) throw new Error(`'${rawPath}' is not an ACL path`)
  for (const ugid of splitList(ugids))
    for (const role of splitList(roles))
      config.acl.push({ path, propagate: propagate === '1', ...subjectOf(ugid), role })
}

type LineReader = (config: AccessConfig, fields: string[]) => void

const LINES: Record<string, LineReader> = {
  user: (config, [id, enable, expire, firstname, lastname, email, comment, keys]) => {
    config.users[id!] = {
      enable: enable === '1',
      expire: Number(expire || 0),
      firstname: decode(firstname),
      lastname: decode(lastname),
      email: decode(email),
      comment: decode(comment),
      keys: keys ?? '',
    }
  },
  token: (config, [id, expire, privsep, comment]) => {
    config.tokens[id!] = { expire: Number(expire || 0), privsep: privsep === '1', comment: decode(comment) }
  },
  group: (config, [id, users, comment]) => {
    config.groups[id!] = { users: splitList(users), comment: decode(comment) }
  },
  role: (config, [id, privileges]) => {
    config.roles[id!] = splitList(privileges)
  },
  pool: (config, [id, comment, vms, storages]) => {
    for (const parent of parentsOf(id!)) config.pools[parent] ??= { comment: '', vms: [], storages: [] }
    config.pools[id!] = {
      comment: decode(comment),
      vms: splitList(vms).map(Number),
      storages: splitList(storages),
    }
  },
  acl: readAcl,
}

function readLine(config: AccessConfig, line: string): void {
  const [kind, ...fields] = line.split(':')
  const read = Object.hasOwn(LINES, kind!) ? LINES[kind!] : undefined
  if (!read || !fields[0]) throw new Error(`expected user:, group:, role:, token:, acl: or pool: and an id`)
  read(config, fields)
}

/** @throws {Error} with the number of the first line that it cannot read, because a lost ACL would mislead. */
export function parseUserCfg(text: string): AccessConfig {
  const config: AccessConfig = { users: {}, tokens: {}, groups: {}, roles: {}, pools: {}, acl: [] }
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    try {
      readLine(config, line)
    } catch (error) {
      throw new Error(`user.cfg line ${index + 1}: ${(error as Error).message}`)
    }
  }
  config.users['root@pam'] ??= emptyUser()
  return config
}

function ugidOf(entry: AclEntry): string {
  return entry.kind === 'group' ? `@${entry.subject}` : entry.subject
}

function line(...fields: (string | number)[]): string {
  return `${fields.join(':')}:\n`
}

function block<T>(entries: Record<string, T>, write: (id: string, value: T) => string): string {
  return Object.entries(entries)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([id, value]) => write(id, value))
    .join('')
}

function writeUser(id: string, user: User): string {
  return line(
    ...['user', id, flag(user.enable), user.expire, encodeText(user.firstname), encodeText(user.lastname)],
    ...[encodeText(user.email), encodeText(user.comment), user.keys],
  )
}

/** Writes the text that Proxmox would write. `parseUserCfg` reads it back unchanged. */
export function writeUserCfg(config: AccessConfig): string {
  const blocks = [
    block(config.users, writeUser),
    block(config.tokens, (id, token) =>
      line('token', id, token.expire, flag(token.privsep), encodeText(token.comment)),
    ),
    block(config.groups, (id, group) => line('group', id, group.users.join(','), encodeText(group.comment))),
    block(config.pools, (id, pool) =>
      line('pool', id, encodeText(pool.comment), pool.vms.join(','), pool.storages.join(',')),
    ),
    block(config.roles, (id, privileges) => line('role', id, privileges.join(','))),
    config.acl
      .map(entry => line('acl', flag(entry.propagate), entry.path, ugidOf(entry), entry.role))
      .join(''),
  ]
  return blocks.filter(Boolean).join('\n')
}
