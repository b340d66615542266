/** Permission rules as data, in the shapes of Proxmox's API schema, and their checks (PVE/RPCEnvironment.pm). */

import { type Grants, permissionsOn } from './acl.mts'
import { ApiError, parameterError, permissionDenied } from './errors.mts'
import type { RawParameters } from './parameters.mts'
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
  /** The caller has one of the privileges on a group of `userid`, or on /access/groups. */
  | { kind: 'group-of-user'; privileges: string[] }
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
  const [, top, , third] = path.split('/')
  const allocate: Record<string, string> = {
    storage: 'Datastore.Allocate',
    vms: 'VM.Allocate',
    pool: 'Pool.Allocate',
  }
  const own = third === undefined ? allocate[top ?? ''] : undefined
  return own === undefined ? ['Permissions.Modify'] : ['Permissions.Modify', own]
}

export function requireModify(caller: Caller, path: string): void {
  const normal = normalizePath(path)
  if (normal === undefined) throw permissionDenied()
  requireAny(caller, normal, ...modifyPrivileges(normal))
}

function sentValue(raw: RawParameters, key: string): string {
  return String(raw[key] ?? '')
}

function fill(template: string, raw: RawParameters): string {
  return normalizePath(template.replace(/\{([^}]+)\}/g, (_, key: string) => sentValue(raw, key))) ?? ''
}

function requireGroupOfUser(caller: Caller, raw: RawParameters, privileges: string[]): void {
  const userid = sentValue(raw, 'userid')
  const groups = Object.entries(caller.access.groups).filter(([, group]) => group.users.includes(userid))
  if (groups.some(([id]) => hasAny(caller, `/access/groups/${id}`, ...privileges))) return
  requireAny(caller, '/access/groups', ...privileges)
}

function requireOneOf(caller: Caller, raw: RawParameters, rules: Permission[]): void {
  for (const rule of rules) {
    try {
      requirePermission(caller, raw, rule)
      return
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
    }
  }
  throw permissionDenied()
}

function requireSelf(caller: Caller, raw: RawParameters): void {
  if (caller.authid !== sentValue(raw, 'userid')) throw permissionDenied()
}

function requireRealmOfUser(caller: Caller, raw: RawParameters): void {
  requireAll(caller, `/access/realm/${sentValue(raw, 'userid').split('@')[1]}`, 'Realm.AllocateUser')
}

function requirePrivileges(
  caller: Caller,
  raw: RawParameters,
  rule: PathRule & { kind: 'all-of' | 'any-of' },
): void {
  if (rule.onlyWith !== undefined && raw[rule.onlyWith] === undefined) throw permissionDenied()
  const check = rule.kind === 'all-of' ? requireAll : requireAny
  check(caller, fill(rule.path, raw), ...rule.privileges)
}

type Check<K extends Permission['kind']> = (
  caller: Caller,
  raw: RawParameters,
  rule: Extract<Permission, { kind: K }>,
) => void

const CHECKS: { [K in Permission['kind']]: Check<K> } = {
  world: () => {},
  all: () => {},
  and: (caller, raw, { rules }) => {
    for (const rule of rules) requirePermission(caller, raw, rule)
  },
  or: (caller, raw, { rules }) => requireOneOf(caller, raw, rules),
  self: requireSelf,
  'realm-of-user': requireRealmOfUser,
  'group-of-user': (caller, raw, { privileges }) => requireGroupOfUser(caller, raw, privileges),
  'modify-permissions': (caller, raw, { path }) => requireModify(caller, fill(path, raw)),
  'all-of': requirePrivileges,
  'any-of': requirePrivileges,
}

/** @param raw parameters before validation. @throws {ApiError} 403 unless the caller meets the rule. */
export function requirePermission(caller: Caller, raw: RawParameters, rule: Permission): void {
  const check = CHECKS[rule.kind] as Check<typeof rule.kind>
  check(caller, raw, rule as never)
}
