/** /access/acl: who has which role where. */

import { builtInRoles } from '../access/privileges.mts'
import { type AclEntry, normalizePath, type SubjectKind } from '../access/user-cfg.mts'
import { ApiError, failure, parameterError } from '../errors.mts'
import { flag, optional, splitList, text } from '../parameters.mts'
import { anyone, type Caller, hasAll, requireModify } from '../permission.mts'
import type { Pve } from '../pve.mts'
import { type Route, route } from '../route.mts'

/** The objects Proxmox has ACLs on. */
const PATHS = [
  /^\/(access|access\/groups|access\/realm|nodes|pool|sdn|storage|vms|mapping)?$/,
  /^\/access\/(groups|realm)\/[\w.-]+$/,
  /^\/(nodes|storage|mapping)\/[\w.-]+$/,
  /^\/pool(\/[\w.-]+){1,3}$/,
  /^\/vms\/[1-9]\d{2,}$/,
  /^\/mapping\/[\w.-]+\/[\w.-]+$/,
  /^\/sdn(\/zones(\/[\w.-]+(\/[\w.-]+(\/[1-9]\d{0,3})?)?)?)$/,
]

function requireAclPath(path: string): string {
  const normal = normalizePath(path)
  if (normal === undefined || !PATHS.some(pattern => pattern.test(normal)))
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
  const named = (kind: SubjectKind, names: string | undefined) =>
    splitList(names).map(subject => ({ kind, subject }))
  const subjects = [
    ...named('user', params.users),
    ...named('group', params.groups),
    ...named('token', params.tokens),
  ]
  if (subjects.length === 0)
    throw parameterError({ users: "either 'users', 'groups' or 'tokens' is required." })
  return subjects
}

const exists = (pve: Pve, { kind, subject }: Subject) =>
  ({
    user: pve.store.state.access.users,
    group: pve.store.state.access.groups,
    token: pve.store.state.access.tokens,
  })[kind][subject] !== undefined

function requireKnown(pve: Pve, roles: string[], subjects: Subject[]) {
  const known = { ...pve.store.state.access.roles, ...builtInRoles(pve.version) }
  const role = roles.find(each => !known[each])
  if (role !== undefined) throw failure(`role '${role}' does not exist`)
  const missing = subjects.find(each => !exists(pve, each))
  if (missing) throw failure(`no such ${missing.kind} ('${missing.subject}')`)
}

function mayModify(caller: Caller, path: string): boolean {
  try {
    requireModify(caller, path)
    return true
  } catch (error) {
    if (error instanceof ApiError) return false
    throw error
  }
}

const isSame = (a: Omit<AclEntry, 'propagate'>, b: Omit<AclEntry, 'propagate'>) =>
  a.path === b.path && a.kind === b.kind && a.subject === b.subject && a.role === b.role

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
      roles: text,
      users: optional(text),
      groups: optional(text),
      tokens: optional(text),
      propagate: optional(flag),
      delete: optional(flag),
    },
    handle({ pve, params }) {
      const path = requireAclPath(params.path)
      const [roles, subjects] = [splitList(params.roles), subjectsOf(params)]
      requireKnown(pve, roles, subjects)
      const { access } = pve.store.state
      const entries = subjects.flatMap(subject => roles.map(role => ({ path, ...subject, role })))
      access.acl = access.acl.filter(entry => !entries.some(each => isSame(each, entry)))
      if (params.delete) return
      access.acl.push(...entries.map(entry => ({ ...entry, propagate: params.propagate ?? true })))
    },
  }),
]
