/** /cluster/ha/status: the manager of highly available resources, as it is without anything to do. */

import { firstNode } from '../core/cluster.mts'
import { directory } from '../core/directory.mts'
import { allOf } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { sectionsOf } from '../sections/section-file.mts'
import { RESOURCES } from './files.mts'

const path = '/cluster/ha/status'
const mayAudit = allOf('/', 'Sys.Audit')

function services(pve: Pve): ApiObject[] {
  return Object.entries(sectionsOf(pve, RESOURCES)).map(([sid, { type: _, ...options }]) => {
    const vmid = Number(sid.split(':')[1])
    const node = pve.store.state.vms[vmid]?.node ?? '---'
    const { state: wanted = 'started', ...others } = options
    const state = wanted === 'ignored' ? 'ignored' : pve.live.has(vmid) ? 'started' : 'stopped'
    return {
      id: `service:${sid}`,
      type: 'service',
      sid,
      node,
      state,
      status: `${sid} (${node}, ${state})`,
      request_state: wanted,
      ...others,
    }
  })
}

function timeText(seconds: number): string {
  const [, day, month, date, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(seconds * 1000).toUTCString()) ?? []
  return `${day} ${date} ${String(Number(month)).padStart(2)} ${time} ${year}`
}

function masterAt(node: string, timestamp: number): ApiObject {
  const status = `${node} (active, ${timeText(timestamp)})`
  return { id: 'master', type: 'master', node, status, timestamp }
}

function fencingOf(node: string, isActive: boolean): ApiObject {
  const armed = isActive ? 'armed' : 'standby'
  const status = `${armed} (CRM watchdog ${isActive ? 'active' : 'standby'})`
  return { id: 'fencing', type: 'fencing', node, status, 'armed-state': armed }
}

function localManager(node: string, timestamp: number): ApiObject {
  const status = `${node} (idle, watchdog standby, ${timeText(timestamp)})`
  return { id: `lrm:${node}`, type: 'lrm', node, status, timestamp }
}

function current(pve: Pve): ApiObject[] {
  const { nodes } = pve.store.state
  const now = Math.floor(pve.now() / 1000)
  const master = firstNode(pve.store.state).name
  const all = services(pve)
  const isActive = all.length > 0
  return [
    { id: 'quorum', type: 'quorum', node: pve.node, status: 'OK', quorate: 1 },
    ...(isActive ? [masterAt(master, now)] : []),
    fencingOf(master, isActive),
    ...(isActive ? nodes : []).map(({ name }) => localManager(name, now)),
    ...all,
  ]
}

export const haStatusRoutes: Route[] = [
  directory('/cluster/ha', ['status', 'resources', 'groups', 'rules'], 'id', mayAudit),
  directory(path, ['current', 'manager_status', 'disarm-ha', 'arm-ha']),
  route({
    method: 'GET',
    path: `${path}/current`,
    permission: mayAudit,
    parameters: {},
    handle: ({ pve }) => current(pve),
  }),
  route({
    method: 'GET',
    path: `${path}/manager_status`,
    permission: mayAudit,
    parameters: {},
    handle: ({ pve }) => ({
      manager_status: {},
      quorum: { node: pve.node, quorate: '1' },
    }),
  }),
]
