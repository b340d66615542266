/** /access/users/{userid}/token: API tokens. Only the answer that makes a token shows its secret. */

import { randomUUID } from 'node:crypto'
import { failure, parameterError } from '../core/errors.mts'
import { flag, integer, optional, text, userId } from '../core/parameters.mts'
import { or } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import type { ApiToken } from '../core/user-cfg.mts'
import { infoOf, requireUser, tokensOf } from './user-routes.mts'

const path = '/access/users/{userid}/token'

const mayManage = or({ kind: 'self' }, { kind: 'group-of-user', privileges: ['User.Modify'] })

const tokenParameters = {
  userid: userId,
  tokenid: { type: 'string', pattern: /^[A-Za-z][A-Za-z0-9.\-_]+$/ },
} as const

const changeable = {
  comment: optional(text),
  expire: optional({ ...integer, minimum: 0 }),
  privsep: optional(flag),
} as const

function requireToken(pve: Pve, userid: string, tokenid: string): ApiToken {
  requireUser(pve, userid)
  const token = pve.store.state.access.tokens[`${userid}!${tokenid}`]
  if (!token) throw failure(`no such token '${tokenid}' for user '${userid}'`)
  return token
}

export const accessTokenRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: mayManage,
    parameters: { userid: userId },
    handle({ pve, caller, params }) {
      requireUser(pve, params.userid)
      return tokensOf(caller, params.userid)
    },
  }),
  route({
    method: 'GET',
    path: `${path}/{tokenid}`,
    permission: mayManage,
    parameters: tokenParameters,
    handle: ({ pve, params }) => infoOf(requireToken(pve, params.userid, params.tokenid)),
  }),
  route({
    method: 'POST',
    path: `${path}/{tokenid}`,
    permission: mayManage,
    parameters: { ...tokenParameters, ...changeable },
    handle({ pve, params }) {
      const user = requireUser(pve, params.userid)
      const { access, tokenSecrets } = pve.store.state
      const id = `${params.userid}!${params.tokenid}`
      if (access.tokens[id]) throw parameterError({ tokenid: 'Token already exists.' })
      const token: ApiToken = {
        expire: params.expire ?? user.expire,
        privsep: params.privsep ?? true,
        comment: params.comment ?? '',
      }
      access.tokens[id] = token
      tokenSecrets[id] = randomUUID()
      return { 'full-tokenid': id, value: tokenSecrets[id], info: infoOf(token) }
    },
  }),
  route({
    method: 'PUT',
    path: `${path}/{tokenid}`,
    permission: mayManage,
    parameters: { ...tokenParameters, ...changeable },
    handle({ pve, params }) {
      const token = requireToken(pve, params.userid, params.tokenid)
      token.expire = params.expire ?? token.expire
      token.privsep = params.privsep ?? token.privsep
      token.comment = params.comment ?? token.comment
      return infoOf(token)
    },
  }),
  route({
    method: 'DELETE',
    path: `${path}/{tokenid}`,
    permission: mayManage,
    parameters: tokenParameters,
    handle({ pve, params }) {
      requireToken(pve, params.userid, params.tokenid)
      const { access, tokenSecrets } = pve.store.state
      const id = `${params.userid}!${params.tokenid}`
      delete access.tokens[id]
      delete tokenSecrets[id]
      access.acl = access.acl.filter(entry => entry.subject !== id)
    },
  }),
]
