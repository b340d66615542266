/** /cluster/mapping: PCI devices, USB devices and directories under one id on all nodes. */

import { directory } from '../core/directory.mts'
import { failure } from '../core/errors.mts'
import { nodeName, optional } from '../core/parameters.mts'
import { allOf, anyone, hasAny, or } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject, Route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import { digestOf } from '../sections/section-file.mts'
import { failingAs, sectionRoutes } from '../sections/section-routes.mts'
import { entriesOf, MAPPINGS, type MappingKind, mappedOn } from './files.mts'

interface Kind {
  kind: MappingKind
  /** First words of errors. */
  failures: Record<'create' | 'update' | 'remove', string>
  /** Key of the list of faults in the answer to a check of a node. */
  checks: string
  /** Order of the privileges that read one mapping. */
  readers: string[]
}

const USE_MODIFY_AUDIT = ['Mapping.Use', 'Mapping.Modify', 'Mapping.Audit']

const KINDS: readonly Kind[] = [
  {
    kind: 'dir',
    failures: {
      create: 'create directory mapping',
      update: 'update directory mapping',
      remove: 'delete dir mapping',
    },
    checks: 'checks',
    readers: USE_MODIFY_AUDIT,
  },
  {
    kind: 'pci',
    failures: {
      create: 'create hardware mapping',
      update: 'update hardware mapping',
      remove: 'delete pci mapping',
    },
    checks: 'checks',
    readers: USE_MODIFY_AUDIT,
  },
  {
    kind: 'usb',
    failures: {
      create: 'create hardware mapping',
      update: 'update hardware mapping',
      remove: 'delete usb mapping',
    },
    checks: 'errors',
    readers: ['Mapping.Audit', 'Mapping.Use', 'Mapping.Modify'],
  },
]

/** Lists what is wrong with a mapping on the server's node. */
function checksOf(pve: Pve, kind: MappingKind, id: string, mapping: Section): ApiObject[] {
  const entries = mappedOn(pve, kind, id, pve.node) ?? []
  if (entries.length === 0) return [{ severity: 'warning', message: `No mapping for node ${pve.node}.` }]
  return entries.flatMap(entry => {
    try {
      MAPPINGS[kind].requireReal(id, entry, mapping)
      return []
    } catch (error) {
      return [{ severity: 'error', message: `Invalid configuration: ${(error as Error).message}\n` }]
    }
  })
}

function requireOwnNode(pve: Pve, kind: MappingKind, node: unknown): void {
  if (node === undefined || node === 'localhost' || node === pve.node) return
  throw failure(kind === 'usb' ? 'Wrong node to check' : `wrong node to check - ${node} != ${pve.node}`)
}

/** Checks the directories of a new list, each on its own node, of which only the server's can be looked at. */
function requireDirectories(pve: Pve, mapping: Section): void {
  const entries = entriesOf('dir', mapping)
  for (const entry of entries) if (entry['node'] === pve.node) MAPPINGS.dir.requireReal('', entry, mapping)
  for (const node of new Set(entries.map(entry => entry['node']))) {
    const count = entries.filter(entry => entry['node'] === node).length
    if (count > 1) throw failure(`Node '${node}' is specified ${count} times.`)
  }
}

function routesOf({ kind, failures, checks, readers }: Kind): Route[] {
  const { file } = MAPPINGS[kind]
  const mayModify = allOf(`/mapping/${kind}`, 'Mapping.Modify')
  return sectionRoutes({
    file,
    path: `/cluster/mapping/${kind}`,
    type: kind,
    words: {
      exists: id => `${kind} ID '${id}' already defined`,
      missing: id => `mapping '${id}' not found`,
      unchangeable: id => `${kind} ID '${id}' does not exist`,
    },
    permissions: {
      list: anyone,
      create: mayModify,
      read: or(...readers.map(privilege => allOf(`/mapping/${kind}/{id}`, privilege))),
      update: allOf(`/mapping/${kind}/{id}`, 'Mapping.Modify'),
      remove: mayModify,
    },
    listParameters: { 'check-node': optional(nodeName) },
    isVisible: ({ caller }, id) => hasAny(caller, `/mapping/${kind}/${id}`, ...USE_MODIFY_AUDIT),
    entry({ pve, params }, id, section) {
      requireOwnNode(pve, kind, params['check-node'])
      return {
        ...section,
        id,
        digest: digestOf(pve, file),
        ...(params['check-node'] !== undefined && { [checks]: checksOf(pve, kind, id, section) }),
      }
    },
    ...(kind === 'dir' && { checkGiven: ({ pve }, options) => requireDirectories(pve, options) }),
    updatesWhole: true,
    locked: (action, change) => failingAs(`${failures[action]} failed`, change),
  })
}

export const mappingRoutes: Route[] = [
  directory(
    '/cluster/mapping',
    KINDS.map(({ kind }) => kind),
  ),
  ...KINDS.flatMap(routesOf),
]
