/** Proxmox's `user.cfg`: users, API tokens, groups, roles, pools and ACLs, one per line. */

export interface User {
  enable: boolean
  /** Seconds since the epoch; 0 never expires. */
  expire: number
  firstname: string
  lastname: string
  email: string
  comment: string
  keys: string
}

export interface ApiToken {
  /** Seconds since the epoch; 0 never expires. */
  expire: number
  /** With privilege separation the token has only what it and its owner both were given. */
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

/** What user.cfg says. Built-in roles are not in it, and secrets never are. */
export interface AccessConfig {
  users: Record<string, User>
  /** By full id, `user@realm!tokenid`. */
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

/** `joe@pve!ci` belongs to `joe@pve`; a user belongs to itself. */
export function ownerOf(authid: string): string {
  return authid.split('!')[0] ?? authid
}

export function isTokenId(authid: string): boolean {
  return authid.includes('!')
}

/** `/vms/100/` and `vms//100` are `/vms/100`. Undefined when it is no ACL path at all. */
export function normalizePath(path: string): string | undefined {
  const joined = `/${path.split('/').filter(Boolean).join('/')}`
  return path !== '' && /^[A-Za-z0-9._/-]+$/.test(joined) ? joined : undefined
}

function list(text: string | undefined): string[] {
  return (text ?? '').split(/[,;\s]+/).filter(Boolean)
}

function decode(text: string | undefined): string {
  return decodeURIComponent(text ?? '')
}

function encode(text: string): string {
  return text.replace(
    /[%:\n\r]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
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
  if (path === undefined) throw new Error(`'${rawPath}' is no ACL path`)
  for (const ugid of list(ugids))
    for (const role of list(roles))
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
    config.groups[id!] = { users: list(users), comment: decode(comment) }
  },
  role: (config, [id, privileges]) => {
    config.roles[id!] = list(privileges)
  },
  pool: (config, [id, comment, vms, storages]) => {
    config.pools[id!] = { comment: decode(comment), vms: list(vms).map(Number), storages: list(storages) }
  },
  acl: readAcl,
}

function readLine(config: AccessConfig, line: string): void {
  const [kind, ...fields] = line.split(':')
  const read = Object.hasOwn(LINES, kind!) ? LINES[kind!] : undefined
  if (!read || !fields[0]) throw new Error(`expected user:, group:, role:, token:, acl: or pool: and an id`)
  read(config, fields)
}

/** Throws on a line it cannot read, naming its number: a lab that silently lost an ACL would mislead. */
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
    ...['user', id, flag(user.enable), user.expire, encode(user.firstname), encode(user.lastname)],
    ...[encode(user.email), encode(user.comment), user.keys],
  )
}

/** The text Proxmox would write for this configuration; `parseUserCfg` reads it back unchanged. */
export function writeUserCfg(config: AccessConfig): string {
  const blocks = [
    block(config.users, writeUser),
    block(config.tokens, (id, token) =>
      line('token', id, token.expire, flag(token.privsep), encode(token.comment)),
    ),
    block(config.groups, (id, group) => line('group', id, group.users.join(','), encode(group.comment))),
    block(config.pools, (id, pool) =>
      line('pool', id, encode(pool.comment), pool.vms.join(','), pool.storages.join(',')),
    ),
    block(config.roles, (id, privileges) => line('role', id, privileges.join(','))),
    config.acl
      .map(entry => line('acl', flag(entry.propagate), entry.path, ugidOf(entry), entry.role))
      .join(''),
  ]
  return blocks.filter(Boolean).join('\n')
}
