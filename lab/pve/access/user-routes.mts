/** /access/users: users, with their groups and tokens. */

import { failure, permissionDenied } from '../core/errors.mts'
import { flag, integer, optional, splitList, text, userId } from '../core/parameters.mts'
import { and, anyone, type Caller, hasAny, type Permission } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { type ApiToken, emptyUser, ownerOf, type User } from '../core/user-cfg.mts'
import { hashPassword } from './secrets.mts'
import { changeAccess } from './transaction.mts'

const REALMS = ['pam', 'pve']

function groupOfUser(...privileges: string[]): Permission {
  return { kind: 'group-of-user', privileges }
}

export function requireUser(pve: Pve, userid: string): User {
  const user = pve.store.state.access.users[userid]
  if (!user) throw failure(`no such user ('${userid}')`)
  return user
}

function groupsOf(caller: Caller, userid: string): string[] {
  return Object.keys(caller.access.groups).filter(id => caller.access.groups[id]!.users.includes(userid))
}

function texts(user: User): Record<string, string> {
  return Object.fromEntries(
    (['firstname', 'lastname', 'email', 'comment', 'keys'] as const)
      .filter(key => user[key] !== '')
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
  if (ownerOf(caller.authid) === userid) return true
  const paths = ['/access/groups', ...groupsOf(caller, userid).map(id => `/access/groups/${id}`)]
  return paths.some(path => hasAny(caller, path, 'User.Modify', 'Sys.Audit'))
}

const userParameters = {
  comment: optional(text),
  email: optional(text),
  enable: optional(flag),
  expire: optional({ ...integer, minimum: 0 }),
  firstname: optional(text),
  lastname: optional(text),
  groups: optional(text),
  keys: optional(text),
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
  for (const key of Object.keys(user) as (keyof User)[])
    if (params[key] !== undefined) Object.assign(user, { [key]: params[key] })
}

function forgetUser(pve: Pve, userid: string): void {
  const { access, passwords, tokenSecrets } = pve.store.state
  delete access.users[userid]
  delete passwords[userid]
  for (const id of Object.keys(access.tokens).filter(each => ownerOf(each) === userid)) {
    delete access.tokens[id]
    delete tokenSecrets[id]
  }
  access.acl = access.acl.filter(entry => entry.kind === 'group' || ownerOf(entry.subject) !== userid)
  for (const group of Object.values(access.groups)) group.users = group.users.filter(each => each !== userid)
}

export const accessUserRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/access/users',
    permission: anyone,
    parameters: { enabled: optional(flag), full: optional(flag) },
    handle: ({ caller, params }) =>
      Object.entries(caller.access.users)
        .filter(([id, user]) => isVisible(caller, id) && (params.enabled ?? user.enable) === user.enable)
        .map(([userid, user]) => ({
          userid,
          ...summaryOf(user),
          'realm-type': userid.split('@')[1],
          ...(params.full && {
            groups: groupsOf(caller, userid).join(','),
            tokens: tokensOf(caller, userid),
          }),
        })),
  }),
  route({
    method: 'POST',
    path: '/access/users',
    permission: and({ kind: 'realm-of-user' }, groupOfUser('User.Modify')),
    parameters: { userid: userId, password: optional(text), ...userParameters },
    handle({ pve, params }) {
      const { userid, password, groups, ...rest } = params
      if (!REALMS.includes(userid.split('@')[1]!))
        throw failure(`realm '${userid.split('@')[1]}' does not exist`)
      changeAccess(pve, 'create user', () => {
        if (pve.store.state.access.users[userid]) throw failure(`user '${userid}' already exists`)
        const user = emptyUser()
        changeUser(user, rest)
        pve.store.state.access.users[userid] = user
        joinGroups(pve, userid, splitList(groups), false)
      })
      if (password !== undefined) pve.store.state.passwords[userid] = hashPassword(password)
    },
  }),
  route({
    method: 'GET',
    path: '/access/users/{userid}',
    permission: groupOfUser('User.Modify', 'Sys.Audit'),
    parameters: { userid: userId },
    handle({ pve, caller, params }) {
      const tokens = tokensOf(caller, params.userid).map(({ tokenid, ...token }) => [tokenid, token] as const)
      return {
        ...summaryOf(requireUser(pve, params.userid)),
        groups: groupsOf(caller, params.userid),
        tokens: Object.fromEntries(tokens),
      }
    },
  }),
  route({
    method: 'PUT',
    path: '/access/users/{userid}',
    permission: groupOfUser('User.Modify'),
    parameters: { userid: userId, append: optional(flag), ...userParameters },
    handle({ pve, params }) {
      const { userid, append, groups, ...rest } = params
      changeAccess(pve, 'update user', () => {
        changeUser(requireUser(pve, userid), rest)
        if (groups !== undefined) joinGroups(pve, userid, splitList(groups), append ?? false)
      })
    },
  }),
  route({
    method: 'DELETE',
    path: '/access/users/{userid}',
    permission: and({ kind: 'realm-of-user' }, groupOfUser('User.Modify')),
    parameters: { userid: userId },
    handle({ pve, params }) {
      if (params.userid === 'root@pam') throw permissionDenied()
      requireUser(pve, params.userid)
      forgetUser(pve, params.userid)
    },
  }),
]
