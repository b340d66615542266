/** /access/roles and /access/groups. */

import { failure, parameterError } from '../core/errors.mts'
import { flag, optional, splitList, text } from '../core/parameters.mts'
import { allOf, anyOf, anyone, hasAny } from '../core/permission.mts'
import { builtInRoles, unknownPrivilege } from '../core/privileges.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { keptText } from '../core/user-cfg.mts'
import { groupId, privilegeList, roleId } from './formats.mts'
import { changeAccess } from './transaction.mts'

const mayChangeRoles = allOf('/access', 'Sys.Modify')
const mayChangeGroups = allOf('/access/groups', 'Group.Allocate')

function requirePrivileges(pve: Pve, privileges: string[]): void {
  const unknown = unknownPrivilege(pve.version, privileges)
  if (unknown !== undefined)
    throw parameterError({ privs: `invalid format - invalid privilege '${unknown}'\n` })
}

/** Refuses changes of built-in roles. */
function refuseBuiltIn(pve: Pve, roleid: string, verb: 'modified' | 'deleted'): void {
  if (Object.hasOwn(builtInRoles(pve.version), roleid))
    throw failure(`auto-generated role '${roleid}' cannot be ${verb}`)
}

function requireOwnRole(pve: Pve, roleid: string): string[] {
  const privileges = pve.store.state.access.roles[roleid]
  if (!privileges) throw failure(`role '${roleid}' does not exist`)
  return privileges
}

function rolesOf(pve: Pve): Record<string, string[]> {
  return Object.assign(Object.create(null), pve.store.state.access.roles, builtInRoles(pve.version))
}

/** Returns the privileges of a role, built-in or not. @throws {ApiError} 500 for an unknown role. */
export function requireRole(pve: Pve, roleid: string): string[] {
  const privileges = rolesOf(pve)[roleid]
  if (!privileges) throw failure(`role '${roleid}' does not exist`)
  return privileges
}

function requireGroup(pve: Pve, groupid: string): { users: string[]; comment: string } {
  const group = pve.store.state.access.groups[groupid]
  if (!group) throw failure(`group '${groupid}' does not exist`)
  return group
}

const roleRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/access/roles',
    permission: anyone,
    parameters: {},
    handle({ pve }) {
      const builtIn = builtInRoles(pve.version)
      return Object.entries(rolesOf(pve)).map(([roleid, privileges]) => ({
        roleid,
        privs: privileges.toSorted().join(','),
        special: builtIn[roleid] ? 1 : 0,
      }))
    },
  }),
  route({
    method: 'GET',
    path: '/access/roles/{roleid}',
    permission: anyone,
    parameters: { roleid: roleId },
    handle: ({ pve, params }) =>
      Object.fromEntries(requireRole(pve, params.roleid).map(privilege => [privilege, 1])),
  }),
  route({
    method: 'POST',
    path: '/access/roles',
    permission: mayChangeRoles,
    parameters: { roleid: roleId, privs: optional(privilegeList) },
    handle({ pve, params }) {
      const { roleid } = params
      const privileges = splitList(params.privs)
      requirePrivileges(pve, privileges)
      if (/^PVE/i.test(roleid))
        throw parameterError({
          roleid: "cannot use role ID starting with the (case-insensitive) 'PVE' namespace",
        })
      changeAccess(pve, 'create role', () => {
        if (rolesOf(pve)[roleid]) throw failure(`role '${roleid}' already exists`)
        pve.store.state.access.roles[roleid] = [...new Set(privileges)]
      })
    },
  }),
  route({
    method: 'PUT',
    path: '/access/roles/{roleid}',
    permission: mayChangeRoles,
    parameters: {
      roleid: roleId,
      privs: optional(privilegeList),
      append: optional({ ...flag, requires: 'privs' }),
    },
    handle({ pve, params }) {
      const { roleid, append } = params
      const privileges = splitList(params.privs)
      requirePrivileges(pve, privileges)
      refuseBuiltIn(pve, roleid, 'modified')
      changeAccess(pve, 'update role', () => {
        const present = requireOwnRole(pve, roleid)
        pve.store.state.access.roles[roleid] = [...new Set([...(append ? present : []), ...privileges])]
      })
    },
  }),
  route({
    method: 'DELETE',
    path: '/access/roles/{roleid}',
    permission: mayChangeRoles,
    parameters: { roleid: roleId },
    handle({ pve, params }) {
      const { roleid } = params
      refuseBuiltIn(pve, roleid, 'deleted')
      changeAccess(pve, 'delete role', () => {
        requireOwnRole(pve, roleid)
        const { access } = pve.store.state
        delete access.roles[roleid]
        // When Proxmox reads user.cfg, it skips entries with unknown roles.
        access.acl = access.acl.filter(entry => entry.role !== roleid)
      })
    },
  }),
]

const groupRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/access/groups',
    permission: anyone,
    parameters: {},
    handle: ({ caller }) =>
      Object.entries(caller.access.groups)
        .filter(([id]) =>
          hasAny(caller, `/access/groups/${id}`, 'User.Modify', 'Sys.Audit', 'Group.Allocate'),
        )
        .map(([groupid, group]) => ({
          groupid,
          users: group.users.toSorted().join(','),
          ...(group.comment !== '' && { comment: group.comment }),
        })),
  }),
  route({
    method: 'GET',
    path: '/access/groups/{groupid}',
    permission: anyOf('/access/groups', 'Sys.Audit', 'Group.Allocate'),
    parameters: { groupid: groupId },
    handle({ pve, params }) {
      const { users, comment } = requireGroup(pve, params.groupid)
      return { members: users, ...(comment !== '' && { comment }) }
    },
  }),
  route({
    method: 'POST',
    path: '/access/groups',
    permission: mayChangeGroups,
    parameters: { groupid: groupId, comment: optional(text) },
    handle({ pve, params }) {
      const { groupid, comment = '' } = params
      const { groups } = pve.store.state.access
      changeAccess(pve, 'create group', () => {
        if (groups[groupid]) throw failure(`group '${groupid}' already exists`)
        groups[groupid] = { users: [], comment: keptText(comment) }
      })
    },
  }),
  route({
    method: 'PUT',
    path: '/access/groups/{groupid}',
    permission: mayChangeGroups,
    parameters: { groupid: groupId, comment: optional(text) },
    handle({ pve, params }) {
      changeAccess(pve, 'update group', () => {
        const group = requireGroup(pve, params.groupid)
        group.comment = keptText(params.comment ?? group.comment)
      })
    },
  }),
  route({
    method: 'DELETE',
    path: '/access/groups/{groupid}',
    permission: mayChangeGroups,
    parameters: { groupid: groupId },
    handle({ pve, params }) {
      const { groupid } = params
      changeAccess(pve, 'delete group', () => {
        requireGroup(pve, groupid)
        const { access } = pve.store.state
        delete access.groups[groupid]
        access.acl = access.acl.filter(entry => entry.kind !== 'group' || entry.subject !== groupid)
      })
    },
  }),
]

export const accessRoleRoutes: Route[] = [...roleRoutes, ...groupRoutes]
