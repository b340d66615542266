/** Forms of the names that user.cfg and domains.cfg hold (PVE/AccessControl.pm, PVE/Auth/Plugin.pm). */

import { email, matching, orEmpty, userIdFormat } from '../core/formats.mts'
import { listOf, optional } from '../core/parameters.mts'
import { unknownPrivilege } from '../core/privileges.mts'
import type { Verifier } from '../core/property.mts'

const NAME = /^[A-Za-z0-9.\-_]+$/

const groupFormat = matching(NAME, value => `group name '${value}' contains invalid characters`)
const roleFormat = matching(NAME, value => `role name '${value}' contains invalid characters`)
const tokenFormat = matching(
  /^[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+![A-Za-z][A-Za-z0-9._-]+$/,
  value => `value '${value}' does not look like a valid token ID`,
)

/** Accepts the privileges of all versions. Handlers refuse those that their version does not have. */
const privilegeFormat: Verifier = value =>
  unknownPrivilege(8, [value]) !== undefined && unknownPrivilege(9, [value]) !== undefined
    ? `invalid privilege '${value}'`
    : undefined

export const groupId = { type: 'string', format: groupFormat } as const
export const roleId = { type: 'string', format: roleFormat } as const
export const groupList = { type: 'string', format: listOf(groupFormat) } as const
export const roleList = { type: 'string', format: listOf(roleFormat) } as const
export const userList = { type: 'string', format: listOf(userIdFormat) } as const
export const tokenList = { type: 'string', format: listOf(tokenFormat) } as const
export const privilegeList = { type: 'string', format: listOf(privilegeFormat) } as const
export const optionalEmail = optional({ type: 'string', format: orEmpty(email), maxLength: 254 })
export const realmId = {
  type: 'string',
  format: matching(/^[A-Za-z][A-Za-z0-9.\-_]+$/, 'value does not look like a valid realm'),
  maxLength: 32,
} as const

/** Password that a user gets. */
export const newPassword = { type: 'string', minLength: 8, maxLength: 64 } as const
