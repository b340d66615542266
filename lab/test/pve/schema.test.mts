/** The lab's operations against Proxmox's own API schema: names, parameters, privileges. */

import { describe, expect, test } from 'vitest'
import { type ApiSchema, operationOf } from '../../pve/api-coverage/schema.mts'
import type { Permission } from '../../pve/core/permission.mts'
import { permissionOf } from '../../pve/core/route.mts'
import { routes } from '../../pve/routes.mts'
import { findApiSchema } from './api-schema.mts'

const schema = await findApiSchema()
const operations: ApiSchema = schema ?? new Map()

const named = routes.map(route => [operationOf(route), route] as const)

/** Where Proxmox itself does otherwise than its schema says, or the schema cannot say it. */
const OPTIONAL_HERE = new Set([
  // A move to another VM, which the lab does not do, names no storage.
  'POST /nodes/{node}/qemu/{vmid}/move_disk storage',
  // The schema has one for each protocol, and each of them is optional.
  'PUT /cluster/sdn/fabrics/fabric/{id} delete',
  'POST /cluster/sdn/fabrics/node/{fabric_id} interfaces',
  'PUT /cluster/sdn/fabrics/node/{fabric_id}/{node_id} interfaces',
])

/** Our rule in the shape of the schema's `check`. */
function checkOf(rule: Permission): unknown {
  switch (rule.kind) {
    case 'and':
    case 'or':
      return [rule.kind, ...rule.rules.map(checkOf)]
    case 'all-of':
      return ['perm', rule.path, rule.privileges, ...(rule.onlyWith ? ['require_param', rule.onlyWith] : [])]
    case 'any-of':
      return ['perm', rule.path, rule.privileges, 'any', 1]
    case 'self':
      return ['userid-param', 'self']
    case 'realm-of-user':
      return ['userid-param', 'Realm.AllocateUser']
    case 'group-of-user':
      return ['userid-group', rule.privileges]
    case 'modify-permissions':
      return ['perm-modify', rule.path]
    default:
      return undefined
  }
}

/** The groups a user is put into are checked by the handler, so the schema's option for that is left out. */
const withoutOptions = (check: unknown): unknown => {
  if (!Array.isArray(check)) return check
  return check[0] === 'userid-group' ? check.slice(0, 2) : check.map(withoutOptions)
}

/** Parameters of pve-access-control 9.1.1, which schemas of before do not have. */
const NEWER = new Set([
  'POST /access/domains audiences',
  'PUT /access/domains/{realm} audiences',
  'PUT /access/users/{userid}/token/{tokenid} regenerate',
])

describe.skipIf(!schema)('every operation', () => {
  test.each(named)('%s is one of Proxmox', name => {
    expect([...operations.keys()]).toContain(name)
  })

  test.each(named)(
    '%s takes no parameter that Proxmox does not know, and needs the same ones',
    (name, route) => {
      const theirs = operations.get(name)?.parameters?.properties ?? {}
      for (const [key, ours] of Object.entries(route.parameters)) {
        if (NEWER.has(`${name} ${key}`) && theirs[key] === undefined) continue
        expect(Object.keys(theirs), `${name} ${key}`).toContain(key)
        expect(ours.type, `${name} ${key} type`).toBe(theirs[key]!.type)
        if (OPTIONAL_HERE.has(`${name} ${key}`)) continue
        expect(ours.optional ?? false, `${name} ${key} optional`).toBe(
          Number(theirs[key]!.optional ?? 0) === 1,
        )
      }
      const needed = Object.keys(theirs).filter(key => theirs[key]!.optional !== 1)
      for (const key of needed) expect(Object.keys(route.parameters), name).toContain(key)
    },
  )

  test.each(named)('%s takes no value that Proxmox refuses', (name, route) => {
    const theirs = operations.get(name)?.parameters?.properties ?? {}
    for (const [key, ours] of Object.entries(route.parameters)) {
      const { enum: words, minimum, maximum } = theirs[key] ?? {}
      if (ours.enum && words) expect(words, `${name} ${key}`).toEqual(expect.arrayContaining([...ours.enum]))
      if (minimum !== undefined) expect(ours.minimum, `${name} ${key} minimum`).toBe(Number(minimum))
      if (maximum !== undefined) expect(ours.maximum, `${name} ${key} maximum`).toBe(Number(maximum))
    }
  })

  test.each(named)('%s takes API tokens where Proxmox does', (name, route) => {
    expect(route.allowToken ?? true).toBe(operations.get(name)?.allowtoken !== 0)
  })

  const isChecked = (name: string): boolean => {
    const { check, user } = operations.get(name)?.permissions ?? {}
    // With `user: all` too, anybody gets an answer, and the check decides what is in it.
    return check !== undefined && user !== 'all'
  }
  test.each(named.filter(([name]) => isChecked(name)))('%s asks for the same privileges', (name, route) => {
    expect(checkOf(permissionOf(route, 9))).toEqual(withoutOptions(operations.get(name)!.permissions!.check))
  })
})
