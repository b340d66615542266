/** /access/users: users, with their groups and tokens. */

import { failure } from '../core/errors.mts'
import { flag, integer, optional, splitList, text, userId } from '../core/parameters.mts'
import { and, anyone, type Caller, hasAny, or, type Permission } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { type ApiToken, emptyUser, keptText, ownerOf, type User } from '../core/user-cfg.mts'
import { groupList, newPassword, optionalEmail } from './formats.mts'
import { storePassword } from './passwords.mts'
import { realmsOf, requireRealm } from './realms.mts'
import { changeAccess } from './transaction.mts'

function groupOfUser(change: 'create' | 'update' | undefined, ...privileges: string[]): Permission {
  return { kind: 'group-of-user', privileges, ...(change && { change }) }
}

export function requireUser(pve: Pve, userid: string): User {
  const user = pve.store.state.access.users[userid]
  if (!user) throw failure(`no such user ('${userid}')`)
  return user
}

function groupsOf(caller: Caller, userid: string): string[] {
  return Object.keys(caller.access.groups).filter(id => caller.access.groups[id]!.users.includes(userid))
}

/**
 * Returns the texts that a user has. The e-mail address is also there if it is empty and a field follows it in the
 * line of user.cfg: Perl drops only the last fields.
 */
function texts(user: User): Record<string, string> {
  const isEmailKept = user.comment !== '' || user.keys !== ''
  return Object.fromEntries(
    (['firstname', 'lastname', 'email', 'comment', 'keys'] as const)
      .filter(key => user[key] !== '' || (key === 'email' && isEmailKept))
      .map(key => [key, user[key]]),
  )
}

function summaryOf(user: User): { enable: number; expire: number } {
  return { enable: user.enable ? 1 : 0, expire: user.expire, ...texts(user) }
}

interface TokenInfo {
  /** Seconds since the epoch; 0: never. */
  expire: number
  /** 0 or 1, as all flags in answers of Proxmox. */
  privsep: number
  comment?: string
}

export function infoOf({ expire, privsep, comment }: ApiToken): TokenInfo {
  return { expire, privsep: privsep ? 1 : 0, ...(comment !== '' && { comment }) }
}

/** Lists the API tokens of a user. */
export function tokensOf(caller: Caller, userid: string): (TokenInfo & { tokenid: string })[] {
  return Object.entries(caller.access.tokens)
    .filter(([id]) => ownerOf(id) === userid)
    .map(([id, token]) => ({ tokenid: id.split('!')[1]!, ...infoOf(token) }))
}

function isVisible(caller: Caller, userid: string): boolean {
  if (caller.authid === userid) return true
  const paths = ['/access/groups', ...groupsOf(caller, userid).map(id => `/access/groups/${id}`)]
  return paths.some(path => hasAny(caller, path, 'User.Modify', 'Sys.Audit'))
}

const userParameters = {
  comment: optional({ ...text, maxLength: 2048 }),
  email: optionalEmail,
  enable: optional(flag),
  expire: optional({ ...integer, minimum: 0 }),
  firstname: optional({ ...text, maxLength: 1024 }),
  lastname: optional({ ...text, maxLength: 1024 }),
  groups: optional(groupList),
  keys: optional({ type: 'string', pattern: /^[0-9a-zA-Z!=]{0,4096}$/ }),
} as const

function joinGroups(pve: Pve, userid: string, wanted: string[], keepOthers: boolean): void {
  const { groups } = pve.store.state.access
  const unknown = wanted.find(id => !groups[id])
  if (unknown !== undefined) throw failure(`no such group '${unknown}'`)
  for (const [id, group] of Object.entries(groups)) {
    const others = group.users.filter(each => each !== userid)
    const isMember = wanted.includes(id) || (keepOthers && group.users.includes(userid))
    group.users = isMember ? [...others, userid] : others
  }
}

/** Changes the given fields. */
function changeUser(user: User, params: Partial<User>): void {
  for (const key of Object.keys(user) as (keyof User)[]) {
    const value = params[key]
    if (value !== undefined)
      Object.assign(user, { [key]: typeof value === 'string' ? keptText(value) : value })
  }
}

/** Deletes a user with all that names it. `root@pam` comes back at once, without its tokens. */
function forgetUser(pve: Pve, userid: string): void {
  const { access, passwords, tokenSecrets } = pve.store.state
  if (userid === 'root@pam') access.users[userid] = emptyUser()
  else {
    delete access.users[userid]
    delete passwords[userid]
  }
  for (const id of Object.keys(access.tokens).filter(each => ownerOf(each) === userid)) {
    delete access.tokens[id]
    delete tokenSecrets[id]
  }
  access.acl = access.acl.filter(entry => entry.kind === 'group' || ownerOf(entry.subject) !== userid)
  for (const group of Object.values(access.groups)) group.users = group.users.filter(each => each !== userid)
}

/** Tokens by their ids; Proxmox has none as null. */
function tokenTable(caller: Caller, userid: string): Record<string, TokenInfo> | null {
  const tokens = tokensOf(caller, userid)
  return tokens.length === 0
    ? null
    : Object.fromEntries(tokens.map(({ tokenid, ...token }) => [tokenid, token]))
}

const users: Route[] = [
  route({
    method: 'GET',
    path: '/access/users',
    permission: anyone,
    parameters: { enabled: optional(flag), full: optional(flag) },
    handle: ({ pve, caller, params }) =>
      Object.entries(caller.access.users)
        .filter(([id, user]) => isVisible(caller, id) && (params.enabled ?? user.enable) === user.enable)
        .map(([userid, user]) => {
          const tokens = tokensOf(caller, userid)
          const realm = realmsOf(pve)[userid.split('@').at(-1)!]
          return {
            userid,
            ...summaryOf(user),
            ...(realm && { 'realm-type': realm.type }),
            ...(params.full && {
              groups: groupsOf(caller, userid).toSorted().join(','),
              tokens: tokens.length > 0 ? tokens : null,
            }),
          }
        }),
  }),
  route({
    method: 'POST',
    path: '/access/users',
    permission: and({ kind: 'realm-of-user' }, groupOfUser('create', 'User.Modify')),
    parameters: { userid: userId, password: optional(newPassword), ...userParameters },
    handle({ pve, params }) {
      const { userid, password, groups, ...rest } = params
      changeAccess(pve, 'create user', () => {
        if (pve.store.state.access.users[userid]) throw failure(`user '${userid}' already exists`)
        if (password !== undefined) storePassword(pve, userid, password)
        const user = emptyUser()
        changeUser(user, rest)
        pve.store.state.access.users[userid] = user
        joinGroups(pve, userid, splitList(groups), false)
      })
    },
  }),
]

function updateUser(pve: Pve, userid: string, { append, groups, ...rest }: UserChange): void {
  changeAccess(pve, 'update user', () => {
    changeUser(requireUser(pve, userid), rest)
    if (groups !== undefined) joinGroups(pve, userid, splitList(groups), append ?? false)
  })
}

interface UserChange extends Partial<User> {
  append?: boolean
  groups?: string
}

const user: Route[] = [
  route({
    method: 'GET',
    path: '/access/users/{userid}',
    permission: groupOfUser(undefined, 'User.Modify', 'Sys.Audit'),
    parameters: { userid: userId },
    handle({ pve, caller, params }) {
      return {
        ...summaryOf(requireUser(pve, params.userid)),
        groups: groupsOf(caller, params.userid).toSorted(),
        tokens: tokenTable(caller, params.userid),
      }
    },
  }),
  route({
    method: 'PUT',
    path: '/access/users/{userid}',
    permission: groupOfUser('update', 'User.Modify'),
    parameters: { userid: userId, append: optional({ ...flag, requires: 'groups' }), ...userParameters },
    handle: ({ pve, params: { userid, ...change } }) => updateUser(pve, userid, change),
  }),
  route({
    method: 'DELETE',
    path: '/access/users/{userid}',
    permission: and({ kind: 'realm-of-user' }, groupOfUser(undefined, 'User.Modify')),
    parameters: { userid: userId },
    handle: ({ pve, params }) => forgetUser(pve, params.userid),
  }),
  route({
    method: 'GET',
    path: '/access/users/{userid}/tfa',
    permission: or({ kind: 'self' }, groupOfUser(undefined, 'User.Modify', 'Sys.Audit')),
    parameters: { userid: userId, multiple: optional(flag) },
    handle({ pve, params }) {
      requireRealm(pve, params.userid)
      return params.multiple ? { user: [] } : {}
    },
  }),
]

export const accessUserRoutes: Route[] = [...users, ...user]
