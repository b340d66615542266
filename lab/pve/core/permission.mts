/** Permission rules as data, in the shapes of Proxmox's API schema, and their checks (PVE/RPCEnvironment.pm). */

import { type Grants, permissionsOn } from './acl.mts'
import { failure, parameterError, permissionDenied } from './errors.mts'
import { userIdFormat } from './formats.mts'
import { splitList } from './parameters.mts'
import type { MajorVersion } from './privileges.mts'
import { type AccessConfig, normalizePath } from './user-cfg.mts'

interface PathRule {
  /** ACL path. `{name}` is the value of that parameter. */
  path: string
  privileges: string[]
  /** Parameter without which the rule is not met. */
  onlyWith?: string
}

export type Permission =
  /** A login is not necessary. */
  | { kind: 'world' }
  /** Every user may call it. The handler checks the rest. */
  | { kind: 'all' }
  | ({ kind: 'all-of' } & PathRule)
  | ({ kind: 'any-of' } & PathRule)
  | { kind: 'and'; rules: Permission[] }
  | { kind: 'or'; rules: Permission[] }
  /** The caller is the user `userid`. */
  | { kind: 'self' }
  /** The caller has Realm.AllocateUser on the realm of `userid`. */
  | { kind: 'realm-of-user' }
  /**
   * The caller has one of the privileges on /access/groups, or on a group of `userid`. `change`: and also on all groups
   * that the parameter `groups` names, of which there must be one. A user that is made is in no group yet.
   */
  | { kind: 'group-of-user'; privileges: string[]; change?: 'create' | 'update' }
  /** The caller may change the ACL of `{path}`. */
  | { kind: 'modify-permissions'; path: string }

export interface Caller {
  authid: string
  access: AccessConfig
  version: MajorVersion
}

export const world: Permission = { kind: 'world' }
export const anyone: Permission = { kind: 'all' }

export function allOf(path: string, ...privileges: string[]): Permission {
  return { kind: 'all-of', path, privileges }
}

export function anyOf(path: string, ...privileges: string[]): Permission {
  return { kind: 'any-of', path, privileges }
}

export function and(...rules: Permission[]): Permission {
  return { kind: 'and', rules }
}

export function or(...rules: Permission[]): Permission {
  return { kind: 'or', rules }
}

function grantsOf(caller: Caller, path: string): Grants {
  return permissionsOn(caller.access, caller.version, caller.authid, path)
}

export function hasAll(caller: Caller, path: string, ...privileges: string[]): boolean {
  const grants = grantsOf(caller, path)
  return privileges.every(privilege => grants.has(privilege))
}

export function hasAny(caller: Caller, path: string, ...privileges: string[]): boolean {
  const grants = grantsOf(caller, path)
  return privileges.some(privilege => grants.has(privilege))
}

/** @throws {ApiError} 403 with the path and the first missing privilege. */
export function requireAll(caller: Caller, path: string, ...privileges: string[]): void {
  const grants = grantsOf(caller, path)
  const missing = privileges.find(privilege => !grants.has(privilege))
  if (missing !== undefined) throw permissionDenied(`${path}, ${missing}`)
}

/** @throws {ApiError} 403 with the path and all privileges, of which one is enough. */
export function requireAny(caller: Caller, path: string, ...privileges: string[]): void {
  if (!hasAny(caller, path, ...privileges)) throw permissionDenied(`${path}, ${privileges.join('|')}`)
}

/** Refuses `skiplock` to everybody but root@pam. Its tokens may not use it either. */
export function requireMaySkipLock(caller: Caller, skiplock: boolean | undefined): void {
  if (skiplock && caller.authid !== 'root@pam')
    throw parameterError({ skiplock: 'Only root may use this option.' })
}

/** Lists the privileges that allow changes of a path's ACL. One is enough. */
function modifyPrivileges(path: string): string[] {
  const [, top] = /^\/(storage|vms|pool)\/./.exec(path) ?? []
  const allocate: Record<string, string> = {
    storage: 'Datastore.Allocate',
    vms: 'VM.Allocate',
    pool: 'Pool.Allocate',
  }
  return ['Permissions.Modify', ...(top === undefined ? [] : [allocate[top]!])]
}

export function mayModify(caller: Caller, path: string): boolean {
  return hasAny(caller, path, ...modifyPrivileges(path))
}

export function requireModify(caller: Caller, path: string): void {
  requireAny(caller, path, ...modifyPrivileges(path))
}

/** Parameters before validation. */
type Sent = Readonly<Record<string, unknown>>

function sentText(sent: Sent, key: string): string {
  return String(sent[key] ?? '')
}

/** Fills in parameters. A missing one becomes `-`. Returns an empty text if that is not an ACL path. */
function fill(template: string, sent: Sent): string {
  const path = template.replace(/\{([^}]+)\}/g, (_, key: string) => sentText(sent, key) || '-')
  return normalizePath(path) ?? ''
}

/** @throws {ApiError} 500 for a text that cannot be a user id, because Proxmox checks permissions before parameters. */
function userOf(sent: Sent): string {
  const userid = sentText(sent, 'userid')
  const fault = userIdFormat(userid)
  if (fault !== undefined) throw failure(fault)
  return userid
}

/** Unless `quiet`: @throws {ApiError} 500 for an unknown user. */
function isKnownUser(caller: Caller, userid: string, quiet: boolean): boolean {
  if (Object.hasOwn(caller.access.users, userid)) return true
  if (quiet) return false
  throw failure(`no such user ('${userid}')`)
}

function denied(quiet: boolean, detail?: string): false {
  if (quiet) return false
  throw permissionDenied(detail)
}

type Rule<K extends Permission['kind']> = Extract<Permission, { kind: K }>

function requireNamedGroups(sent: Sent, { privileges }: Rule<'group-of-user'>, mine: string[]): void {
  const named = splitList(sentText(sent, 'groups'))
  const refused = named.find(id => !mine.includes(id))
  const wanted = privileges.join('|')
  if (named.length === 0) throw permissionDenied(`/access/groups, ${wanted}`)
  if (refused !== undefined) throw permissionDenied(`/access/groups/${refused}, ${wanted}`)
}

function isGroupOfUserMet(caller: Caller, sent: Sent, rule: Rule<'group-of-user'>, quiet: boolean): boolean {
  const userid = sentText(sent, 'userid')
  const exists = rule.change !== 'create'
  if (exists && !isKnownUser(caller, userid, quiet)) return false
  if (hasAny(caller, '/access/groups', ...rule.privileges)) return true
  const { groups } = caller.access
  const mine = Object.keys(groups).filter(id => hasAny(caller, `/access/groups/${id}`, ...rule.privileges))
  if (rule.change !== undefined) requireNamedGroups(sent, rule, mine)
  return !exists || mine.some(id => groups[id]!.users.includes(userid)) || denied(quiet)
}

function isPathRuleMet(caller: Caller, sent: Sent, rule: Rule<'all-of' | 'any-of'>, quiet: boolean): boolean {
  if (rule.onlyWith !== undefined && sent[rule.onlyWith] === undefined) return denied(quiet)
  const path = fill(rule.path, sent)
  const has = rule.kind === 'all-of' ? hasAll : hasAny
  if (quiet) return has(caller, path, ...rule.privileges)
  const require = rule.kind === 'all-of' ? requireAll : requireAny
  require(caller, path, ...rule.privileges)
  return true
}

type Check<K extends Permission['kind']> = (
  caller: Caller,
  sent: Sent,
  rule: Rule<K>,
  quiet: boolean,
) => boolean

const CHECKS: { [K in Permission['kind']]: Check<K> } = {
  world: (caller, _sent, _rule, quiet) => caller.authid === '' || denied(quiet),
  all: () => true,
  // Proxmox says what is missing of such a rule even where another rule could still be met.
  and: (caller, sent, { rules }) => rules.every(rule => isMet(caller, sent, rule, false)),
  or: (caller, sent, { rules }, quiet) =>
    rules.some(rule => isMet(caller, sent, rule, true)) || denied(quiet),
  self: (caller, sent, _rule, quiet) =>
    isKnownUser(caller, userOf(sent), quiet) && (caller.authid === sent['userid'] || denied(quiet)),
  'realm-of-user'(caller, sent, _rule, quiet) {
    const path = `/access/realm/${userOf(sent).split('@').at(-1)}`
    return hasAll(caller, path, 'Realm.AllocateUser') || denied(quiet, `${path}, Realm.AllocateUser`)
  },
  'group-of-user': isGroupOfUserMet,
  'modify-permissions'(caller, sent, { path: template }) {
    const path = normalizePath(sentText(sent, template.slice(1, -1)))
    // The handler refuses what is not a path.
    if (path !== undefined) requireModify(caller, path)
    return true
  },
  'all-of': isPathRuleMet,
  'any-of': isPathRuleMet,
}

/** @param quiet true: returns false instead of an error, as far as Proxmox does. */
function isMet(caller: Caller, sent: Sent, rule: Permission, quiet: boolean): boolean {
  const check = CHECKS[rule.kind] as Check<typeof rule.kind>
  return check(caller, sent, rule as never, quiet)
}

/** @param sent parameters before validation. @throws {ApiError} 403 unless the caller meets the rule. */
export function requirePermission(caller: Caller, sent: Sent, rule: Permission): void {
  if (caller.authid !== 'root@pam') isMet(caller, sent, rule, false)
}
