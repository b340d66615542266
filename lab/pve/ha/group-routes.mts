/** /cluster/ha/groups: preferred nodes on Proxmox VE 8. In version 9 rules took their place. */

import { failure } from '../core/errors.mts'
import { allOf } from '../core/permission.mts'
import type { Route } from '../core/route.mts'
import { digestOf, sectionsOf } from '../sections/section-file.mts'
import { failingAs, sectionRoutes } from '../sections/section-routes.mts'
import { GROUPS, RESOURCES } from './files.mts'

const FAILURES = { create: 'create ha group', update: 'update ha group', remove: 'delete ha group' } as const
const WORDS: Record<string, string> = { POST: 'create group', PUT: 'update group', DELETE: 'delete group' }

const routes = sectionRoutes({
  file: GROUPS,
  path: '/cluster/ha/groups',
  key: 'group',
  type: 'group',
  keepsType: true,
  words: {
    exists: id => `ha group ID '${id}' already defined`,
    missing: id => `no such ha group '${id}'`,
  },
  permissions: {
    list: allOf('/', 'Sys.Audit'),
    create: allOf('/', 'Sys.Console'),
    read: allOf('/', 'Sys.Audit'),
    update: allOf('/', 'Sys.Console'),
    remove: allOf('/', 'Sys.Console'),
  },
  show: ({ pve }, group, section) => ({ ...section, group, digest: digestOf(pve, GROUPS) }),
  checkRemoval({ pve }, id) {
    const user = Object.entries(sectionsOf(pve, RESOURCES)).find(([, { group }]) => group === id)
    if (user) throw failure(`ha group is used by service '${user[0]}'`)
  },
  locked: (action, change) => failingAs(`${FAILURES[action]} failed`, change),
})

export const haGroupRoutes: Route[] = routes.map(route => ({
  ...route,
  handle(call) {
    const { version } = (call as { pve: { version: number } }).pve
    const reading = route.path.endsWith('}') ? 'read group' : 'index groups'
    if (version >= 9)
      throw failure(`cannot ${WORDS[route.method] ?? reading}: ha groups have been migrated to rules`)
    return route.handle(call)
  },
}))
