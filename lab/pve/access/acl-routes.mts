/** /access/acl: roles of users, groups and tokens on paths. */

import { permissionsOn } from '../core/acl.mts'
import { failure, parameterError } from '../core/errors.mts'
import { flag, optional, splitList, text } from '../core/parameters.mts'
import { anyone, type Caller, hasAll, mayModify } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { type AclEntry, normalizePath, ownerOf, type SubjectKind } from '../core/user-cfg.mts'
import { groupList, roleList, tokenList, userList } from './formats.mts'
import { requireRole } from './role-routes.mts'
import { changeAccess } from './transaction.mts'

/** Paths that Proxmox accepts for ACLs (`check_path` in PVE/AccessControl.pm). */
const PATHS = [
  /^\/(access|access\/groups|access\/realm|nodes|pool|sdn|storage|vms|mapping)?$/,
  /^\/access\/(groups|realm)\/[\w.-]+$/,
  /^\/(nodes|storage|mapping)\/[\w.-]+$/,
  /^\/pool(\/[\w.-]+){1,3}$/,
  /^\/vms\/[1-9]\d{2,}$/,
  /^\/mapping\/[\w.-]+\/[\w.-]+$/,
  /^\/sdn\/controllers(\/[\w-]+)?$/,
  /^\/sdn\/(dns|fabrics|ipams|prefix-lists|route-maps)(\/[A-Za-z0-9]+)?$/,
  /^\/sdn(\/zones(\/[\w.-]+(\/[\w.-]+(\/[1-9]\d{0,3})?)?)?)$/,
]

/** Checks and normalizes a path. Removal accepts every path, so that entries of removed objects can go. */
function requireAclPath(path: string, remove: boolean): string {
  const normal = normalizePath(path)
  if (normal === undefined || !(remove || PATHS.some(pattern => pattern.test(normal))))
    throw parameterError({ path: `invalid ACL path '${path}'` })
  return normal
}

interface Subjects {
  users?: string
  groups?: string
  tokens?: string
}

type Subject = Pick<AclEntry, 'kind' | 'subject'>

function subjectsOf(params: Subjects): Subject[] {
  const named = (kind: SubjectKind, names: string | undefined): Subject[] =>
    splitList(names).map(subject => ({ kind, subject }))
  const subjects = [
    ...named('group', params.groups),
    ...named('user', params.users),
    ...named('token', params.tokens),
  ]
  const needed = "either 'users', 'groups' or 'tokens' is required."
  if (!params.users && !params.groups && !params.tokens)
    throw parameterError({ users: needed, groups: needed, tokens: needed })
  return subjects
}

function requireSubject(pve: Pve, { kind, subject }: Subject): void {
  const { users, groups, tokens } = pve.store.state.access
  if (kind === 'token') {
    const userid = ownerOf(subject)
    if (!Object.hasOwn(users, userid)) throw failure(`no such user ('${userid}')`)
    if (!Object.hasOwn(tokens, subject))
      throw failure(`no such token '${subject.split('!')[1] ?? ''}' for user '${userid}'`)
  } else if (!Object.hasOwn(kind === 'user' ? users : groups, subject))
    throw failure(`${kind} '${subject}' does not exist`)
}

/** Lets a caller without Permissions.Modify hand out only privileges that the caller has. */
function requireHandedOut(pve: Pve, caller: Caller, role: string, { path, propagate, verb }: Handing): void {
  const own = permissionsOn(caller.access, caller.version, caller.authid, path)
  if (own.has('Permissions.Modify')) return
  const refuse = (needed: string): never => {
    throw parameterError({ role: `Cannot ${verb} role '${role}'${needed}` })
  }
  for (const privilege of requireRole(pve, role)) {
    if (!own.has(privilege)) refuse(" - requires 'Permissions.Modify' or superset of privileges.")
    if (verb === 'add' && propagate && !own.get(privilege))
      refuse(" with propagation - requires 'Permissions.Modify' or propagated superset of privileges.")
  }
  if (role === 'NoAccess') refuse(" - requires 'Permissions.Modify'")
}

interface Handing {
  path: string
  propagate: boolean
  verb: 'add' | 'remove'
}

function isSame(a: Omit<AclEntry, 'propagate'>, b: Omit<AclEntry, 'propagate'>): boolean {
  return a.path === b.path && a.kind === b.kind && a.subject === b.subject && a.role === b.role
}

export const accessAclRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/access/acl',
    permission: anyone,
    parameters: {},
    handle: ({ caller }) =>
      caller.access.acl
        .filter(entry => hasAll(caller, '/access', 'Sys.Audit') || mayModify(caller, entry.path))
        .map(({ path, propagate, kind, subject, role }) => ({
          path,
          propagate: propagate ? 1 : 0,
          type: kind,
          ugid: subject,
          roleid: role,
        })),
  }),
  route({
    method: 'PUT',
    path: '/access/acl',
    permission: { kind: 'modify-permissions', path: '{path}' },
    parameters: {
      path: text,
      roles: roleList,
      users: optional(userList),
      groups: optional(groupList),
      tokens: optional(tokenList),
      propagate: optional(flag),
      delete: optional(flag),
    },
    handle({ pve, caller, params }) {
      const { propagate = true, delete: remove = false } = params
      const subjects = subjectsOf(params)
      const path = requireAclPath(params.path, remove)
      const { access } = pve.store.state
      changeAccess(pve, 'ACL update', () => {
        for (const role of splitList(params.roles)) {
          requireRole(pve, role)
          requireHandedOut(pve, caller, role, { path, propagate, verb: remove ? 'remove' : 'add' })
          for (const subject of subjects) requireSubject(pve, subject)
          const entries = subjects.map(subject => ({ path, ...subject, role }))
          access.acl = access.acl.filter(entry => !entries.some(each => isSame(each, entry)))
          // root@pam has all privileges anyway: Proxmox does not write its entries.
          const written = entries.filter(({ subject }) => subject !== 'root@pam')
          if (!remove) access.acl.push(...written.map(entry => ({ ...entry, propagate })))
        }
      })
    },
  }),
]
