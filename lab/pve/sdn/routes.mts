/** /cluster/sdn and /nodes/{node}/sdn: applies, locks and rolls back changes; what a node has of it. */

import { directory } from '../core/directory.mts'
import { failure, parameterError } from '../core/errors.mts'
import { flag, nodeName, optional, splitList } from '../core/parameters.mts'
import { allOf, anyone } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { fabricRoutes } from './fabric-routes.mts'
import { VNETS, ZONES, zoneId } from './files.mts'
import { ipamRoutes } from './ipams.mts'
import {
  appliedSections,
  commit,
  hasPending,
  isEverApplied,
  lockedSdn,
  lockToken,
  releaseLock,
  rollBack,
  takeLock,
} from './pending.mts'
import { vnetRoutes } from './vnets.mts'
import { controllerRoutes, maySee, zoneRoutes } from './zones.mts'

const mayAllocate = allOf('/sdn', 'SDN.Allocate')
const mayAuditZone = allOf('/sdn/zones/{zone}', 'SDN.Audit')
const releasing = { ...lockToken, 'release-lock': optional(flag) }

function releaseAfter(pve: Pve, params: Record<string, unknown>): void {
  if (params['lock-token'] !== undefined && params['release-lock'] !== false) releaseLock(pve)
}

/** Lists the applied zones of a node. */
export function zonesOn(pve: Pve, node: string): string[] {
  return Object.entries(appliedSections(pve, ZONES))
    .filter(([, { nodes }]) => nodes === undefined || splitList(String(nodes)).includes(node))
    .map(([id]) => id)
    .sort()
}

function vnetsOf(pve: Pve, zone: string): string[] {
  return Object.entries(appliedSections(pve, VNETS))
    .filter(([, vnet]) => vnet['zone'] === zone)
    .map(([id]) => id)
}

/** Lists the vnets of a node as bridges. */
export function vnetsOn(pve: Pve, node: string): ApiObject[] {
  return zonesOn(pve, node).flatMap(zone =>
    vnetsOf(pve, zone).map(iface => {
      const { alias, vlanaware } = appliedSections(pve, VNETS)[iface]!
      return {
        iface,
        type: 'vnet',
        active: '1',
        ...(alias !== undefined && { comments: alias }),
        ...(vlanaware === 1 && { bridge_vlan_aware: 1 }),
      }
    }),
  )
}

/** Lists the cards of a node's running VMs on a bridge. */
function portsOf(pve: Pve, bridge: string): ApiObject[] {
  const running = Object.values(pve.store.state.vms).filter(
    vm => vm.node === pve.node && pve.live.has(vm.vmid),
  )
  return running.flatMap(({ vmid, config }) =>
    Object.entries(config)
      .filter(([key, value]) => /^net\d+$/.test(key) && value.split(',').includes(`bridge=${bridge}`))
      .map(([key]) => ({ name: `tap${vmid}i${key.slice(3)}`, vmid: String(vmid), index: key })),
  )
}

const applyRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/cluster/sdn',
    permission: allOf('/sdn', 'SDN.Audit'),
    parameters: {},
    handle: () =>
      ['vnets', 'zones', 'controllers', 'ipams', 'dns', 'fabrics', 'lock', 'rollback'].map(id => ({ id })),
  }),
  route({
    method: 'PUT',
    path: '/cluster/sdn',
    permission: mayAllocate,
    parameters: releasing,
    handle({ pve, caller: { authid }, params }) {
      lockedSdn(pve, 'could not commit SDN config', params['lock-token'], () => {
        commit(pve)
        releaseAfter(pve, params)
      })
      const reload = (node: string): Promise<string> =>
        pve.tasks.start({ node, type: 'srvreload', id: 'networking', authid, work: async () => {} })
      return pve.tasks.start({
        type: 'reloadnetworkall',
        id: '',
        authid,
        async work(task) {
          for (const { name, online } of pve.store.state.nodes)
            if (online) {
              task.log(`${name}: reloading network config`)
              await reload(name)
            }
        },
      })
    },
  }),
  route({
    method: 'POST',
    path: '/cluster/sdn/lock',
    permission: mayAllocate,
    parameters: { 'allow-pending': optional(flag) },
    handle({ pve, params }) {
      let token = ''
      lockedSdn(pve, 'could not acquire lock for SDN config', undefined, () => {
        if (!params['allow-pending'] && hasPending(pve)) throw failure('configuration has pending changes')
        token = takeLock(pve)
      })
      return token
    },
  }),
  route({
    method: 'DELETE',
    path: '/cluster/sdn/lock',
    permission: mayAllocate,
    parameters: { ...lockToken, force: optional(flag) },
    handle({ pve, params }) {
      if (params.force) releaseLock(pve)
      else lockedSdn(pve, 'could not release lock', params['lock-token'], () => releaseLock(pve))
    },
  }),
  route({
    method: 'POST',
    path: '/cluster/sdn/rollback',
    permission: mayAllocate,
    parameters: releasing,
    handle: ({ pve, params }) =>
      lockedSdn(pve, 'could not rollback SDN configuration', params['lock-token'], () => {
        rollBack(pve)
        releaseAfter(pve, params)
      }),
  }),
]

const node = { node: nodeName }
const zone = { ...node, zone: zoneId }

const nodeSdnRoutes: Route[] = [
  directory('/nodes/{node}/sdn', ['zones', 'vnets', 'fabrics']),
  route({
    method: 'GET',
    path: '/nodes/{node}/sdn/zones',
    permission: anyone,
    parameters: node,
    handle: ({ pve }) =>
      isEverApplied(pve) ? zonesOn(pve, pve.node).map(id => ({ zone: id, status: 'available' })) : [],
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/sdn/zones/{zone}',
    permission: mayAuditZone,
    parameters: zone,
    handle: () => ['content', 'bridges', 'ip-vrf'].map(subdir => ({ subdir })),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/sdn/zones/{zone}/content',
    permission: mayAuditZone,
    parameters: zone,
    handle: ({ pve, params }) =>
      zonesOn(pve, pve.node).includes(String(params.zone))
        ? vnetsOf(pve, String(params.zone)).map(vnet => ({ vnet, status: 'available' }))
        : [],
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/sdn/zones/{zone}/bridges',
    permission: mayAuditZone,
    parameters: { ...node, zone: { type: 'string' } },
    handle({ pve, caller, params }) {
      const isLocal = params.zone === 'localnetwork'
      if (!isLocal && !appliedSections(pve, ZONES)[params.zone])
        throw parameterError({ zone: 'zone does not exist' })
      const bridges = isLocal ? ['vmbr0'] : vnetsOf(pve, params.zone)
      return bridges
        .filter(name => maySee(caller, `/sdn/zones/${params.zone}/${name}`))
        .map(name => ({
          name,
          vlan_filtering: String(appliedSections(pve, VNETS)[name]?.['vlanaware'] ?? 0),
          ports: portsOf(pve, name),
        }))
    },
  }),
]

export const sdnRoutes: Route[] = [
  ...applyRoutes,
  ...zoneRoutes,
  ...vnetRoutes,
  ...controllerRoutes,
  ...ipamRoutes,
  ...fabricRoutes,
  ...nodeSdnRoutes,
]
