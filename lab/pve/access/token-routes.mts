/** /access/users/{userid}/token: API tokens. Only the answer that makes a token shows its secret. */

import { randomUUID } from 'node:crypto'
import { failure, parameterError } from '../core/errors.mts'
import { configId } from '../core/formats.mts'
import {
  flag,
  integer,
  listOf,
  optional,
  type RawParameters,
  splitList,
  text,
  userId,
} from '../core/parameters.mts'
import { or } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { type ApiToken, keptText } from '../core/user-cfg.mts'
import { changeAccess } from './transaction.mts'
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

/** Shows what was sent: Proxmox answers with the texts of the request, before they are in user.cfg. */
function sentInfo(raw: RawParameters): ApiObject {
  const { expire, privsep, comment } = raw
  return {
    ...(expire !== undefined && { expire }),
    ...(privsep !== undefined && { privsep }),
    ...(comment !== undefined && comment !== '' && { comment }),
  }
}

function requireDeletable(keys: string | undefined): void {
  const unknown = splitList(keys).find(key => key !== 'comment')
  if (unknown !== undefined) throw parameterError({ delete: `unknown option '${unknown}'` })
}

const tokens: Route[] = [
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
]

const changes: Route[] = [
  route({
    method: 'POST',
    path: `${path}/{tokenid}`,
    permission: mayManage,
    parameters: { ...tokenParameters, ...changeable },
    handle({ pve, params, raw }) {
      requireUser(pve, params.userid)
      const { access, tokenSecrets } = pve.store.state
      const id = `${params.userid}!${params.tokenid}`
      if (access.tokens[id]) throw parameterError({ tokenid: 'Token already exists.' })
      const { expire = 0, privsep = true, comment = '' } = params
      access.tokens[id] = { expire, privsep, comment: keptText(comment) }
      tokenSecrets[id] = randomUUID()
      return { 'full-tokenid': id, value: tokenSecrets[id], info: { privsep: 1, ...sentInfo(raw) } }
    },
  }),
  route({
    method: 'PUT',
    path: `${path}/{tokenid}`,
    permission: mayManage,
    parameters: {
      ...tokenParameters,
      ...changeable,
      regenerate: optional(flag),
      delete: optional({ type: 'string', format: listOf(configId) }),
    },
    handle({ pve, params, raw }) {
      const token = requireToken(pve, params.userid, params.tokenid)
      const id = `${params.userid}!${params.tokenid}`
      changeAccess(pve, 'updating token info', () => requireDeletable(params.delete))
      token.expire = params.expire ?? token.expire
      token.privsep = params.privsep ?? token.privsep
      const isGone = splitList(params.delete).includes('comment')
      token.comment = isGone ? '' : keptText(params.comment ?? token.comment)
      const { comment, ...info } = { ...infoOf(token), ...sentInfo(raw) }
      const answer = isGone ? info : { ...info, ...(comment !== undefined && { comment }) }
      if (!params.regenerate) return answer
      const value = randomUUID()
      pve.store.state.tokenSecrets[id] = value
      return { ...answer, value, 'full-tokenid': id }
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

export const accessTokenRoutes: Route[] = [...tokens, ...changes]
