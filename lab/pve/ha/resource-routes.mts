/** /cluster/ha/resources: VMs that the cluster keeps running. */

import { failure } from '../core/errors.mts'
import { flag, nodeName, optional, splitList } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Call, type Route, route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import {
  changeSection,
  checkSection,
  createParameters,
  digestOf,
  optionsFrom,
  putSection,
  requireSameDigest,
  sectionsOf,
  updateParameters,
} from '../sections/section-file.mts'
import { failingAs } from '../sections/section-routes.mts'
import { forgetInRules, fullId, GROUPS, isManaged, RESOURCES, RULES, resourceId } from './files.mts'

const path = '/cluster/ha/resources'
const mayAudit = allOf('/', 'Sys.Audit')
const mayChange = allOf('/', 'Sys.Console')

type ResourceCall = Call<Record<string, unknown>>

function idOf({ pve, params }: ResourceCall): string {
  const sid = fullId(pve, String(params['sid']))
  const type = params['type']
  if (type !== undefined && type !== sid.split(':')[0]) throw failure('types does not match')
  return sid
}

/** Groups became rules in Proxmox VE 9. */
function requireGroup(pve: Pve, group: unknown, mustExist: boolean): void {
  if (group === undefined) return
  if (pve.version >= 9) throw failure("invalid parameter 'group': ha groups have been migrated to rules")
  if (mustExist && !sectionsOf(pve, GROUPS)[String(group)])
    throw failure(`HA group '${group}' does not exist`)
}

function requireVm(pve: Pve, sid: string): void {
  const [type = '', name = ''] = sid.split(':')
  if (type !== 'vm' && type !== 'ct') throw failure(`unknown section type '${type}'`)
  if (!/^[1-9][0-9]+$/.test(name)) throw failure('invalid VMID')
  if (type === 'ct' && pve.store.state.vms[name])
    throw failure(`resource 'ct:${name}' - guest with ID ${name} is not a CT`)
  if (!pve.store.state.vms[name]) throw failure(`resource '${sid}' does not exist in cluster`)
}

function create(call: ResourceCall): void {
  const { pve, params } = call
  const sid = idOf(call)
  requireGroup(pve, params['group'], false)
  requireVm(pve, sid)
  const type = sid.split(':')[0]!
  const options = optionsFrom(params, ['sid'])
  checkSection(RESOURCES, type, options, true)
  failingAs('create resource failed', () => {
    if (isManaged(pve, sid)) throw failure(`resource ID '${sid}' already defined`)
    putSection(pve, RESOURCES, sid, type, options)
  })
}

function requireResource(pve: Pve, sid: string): Section {
  const resource = sectionsOf(pve, RESOURCES)[sid]
  if (!resource) throw failure(`no such resource '${sid}'`)
  return resource
}

function update(call: ResourceCall): void {
  const { pve, params } = call
  const sid = idOf(call)
  requireGroup(pve, params['group'], true)
  failingAs('update resources config failed', () => {
    requireSameDigest(digestOf(pve, RESOURCES), params['digest'])
    const resource = requireResource(pve, sid)
    const set = optionsFrom(params, ['sid'])
    checkSection(RESOURCES, String(resource['type']), set, false)
    changeSection(pve, RESOURCES, sid, { set, remove: splitList(params['delete'] as string | undefined) })
  })
}

function remove(call: ResourceCall): void {
  const sid = idOf(call)
  if (!isManaged(call.pve, sid)) throw failure(`cannot delete service '${sid}', not HA managed!`)
  delete sectionsOf(call.pve, RESOURCES)[sid]
  if (call.params['purge'] !== false) forgetInRules(call.pve, sid)
}

function shown(pve: Pve, sid: string): ApiObject {
  return { ...requireResource(pve, sid), sid, digest: digestOf(pve, RESOURCES) }
}

/** Lists the resources that stay with one, or keep away from it, by rules in force. */
function related(pve: Pve, sid: string, affinity: string): string[] {
  const rules = Object.values(sectionsOf(pve, RULES)).filter(
    rule => rule['affinity'] === affinity && rule['disable'] !== 1,
  )
  const groups = rules.map(rule => splitList(String(rule['resources']))).filter(all => all.includes(sid))
  return [...new Set(groups.flat())].filter(each => each !== sid).sort()
}

function motion(call: ResourceCall): ApiObject {
  const { pve, params } = call
  const sid = idOf(call)
  if (!isManaged(pve, sid)) throw failure(`resource '${sid}' is not HA managed`)
  const node = String(params['node'])
  const together = related(pve, sid, 'positive')
  const blocking = related(pve, sid, 'negative').filter(
    each => pve.store.state.vms[each.split(':')[1]!]?.node === node,
  )
  return {
    sid,
    'requested-node': node,
    ...(together.length > 0 && { 'comigrated-resources': together }),
    ...(blocking.length > 0 && {
      'blocking-resources': blocking.map(each => ({ sid: each, cause: 'resource-affinity' })),
    }),
  }
}

export const haResourceRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: mayAudit,
    parameters: { type: { type: 'string', enum: ['ct', 'vm'], optional: true } },
    handle: ({ pve, params }) =>
      Object.entries(sectionsOf(pve, RESOURCES))
        .filter(([, { type }]) => params.type === undefined || type === params.type)
        .map(([sid]) => shown(pve, sid)),
  }),
  route({
    method: 'POST',
    path,
    permission: mayChange,
    parameters: createParameters(RESOURCES),
    handle: call => create(call as ResourceCall),
  }),
  route({
    method: 'GET',
    path: `${path}/{sid}`,
    permission: mayAudit,
    parameters: { sid: resourceId },
    handle: call => shown(call.pve, idOf(call as ResourceCall)),
  }),
  route({
    method: 'PUT',
    path: `${path}/{sid}`,
    permission: mayChange,
    parameters: updateParameters(RESOURCES),
    handle: call => update(call as ResourceCall),
  }),
  route({
    method: 'DELETE',
    path: `${path}/{sid}`,
    permission: mayChange,
    parameters: { sid: resourceId, purge: optional(flag) },
    handle: call => remove(call as ResourceCall),
  }),
  ...['migrate', 'relocate'].map(verb =>
    route({
      method: 'POST',
      path: `${path}/{sid}/${verb}`,
      permission: mayChange,
      parameters: { sid: resourceId, node: nodeName },
      handle: call => motion(call as ResourceCall),
    }),
  ),
]
