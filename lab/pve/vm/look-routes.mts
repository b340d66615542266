/** /nodes/{node}/qemu/{vmid}, feature and sendkey: what a VM has, what can be done with it, and its keyboard. */

import { unknownKey } from '../../guests/keys.mts'
import { isAvailableOn } from '../core/cluster.mts'
import { failure, messageOf } from '../core/errors.mts'
import { flag, nodeName, optional, text, vmid } from '../core/parameters.mts'
import { allOf, anyone, requireMaySkipLock } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import type { VmConfig } from '../core/state.mts'
import { parseVolumeId, storageOf } from '../storage/storages.mts'
import { hasFeature } from '../storage/volumes.mts'
import { drivesOf } from './drive.mts'
import { requireSnapshot, snapshotDisks, snapshotName } from './snapshot-parts.mts'
import { findVm, requireConfigFile, requireRunning } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}'
const vm = { node: nodeName, vmid }
const LOCK_SECONDS = 10

const PARTS = [
  ...[
    'config',
    'cloudinit',
    'pending',
    'status',
    'unlink',
    'vncproxy',
    'termproxy',
    'migrate',
    'resize',
    'move',
  ],
  ...['rrd', 'rrddata', 'monitor', 'agent', 'snapshot', 'spiceproxy', 'sendkey', 'firewall', 'mtunnel'],
  'remote_migrate',
]

/** Lists the nodes that have every storage of the drives. A node's own storage is only on that node. */
function nodesWithDrives(pve: Pve, config: VmConfig): string[] {
  const used = drivesOf(config).flatMap(([, { file }]) => parseVolumeId(file)?.storage ?? [])
  const storages = used.map(id => storageOf(pve, id))
  const names = pve.store.state.nodes.map(({ name }) => name)
  return names.filter(name =>
    storages.every(storage =>
      storage.nodes || storage.shared ? isAvailableOn(storage, name) : name === pve.node,
    ),
  )
}

async function sendKeys(pve: Pve, id: number, keys: string): Promise<void> {
  findVm(pve, id)
  requireRunning(pve, id)
  const unknown = unknownKey(keys)
  if (unknown !== undefined) throw failure(`invalid parameter: ${unknown}`)
  await pve.live
    .get(id)
    ?.guest.sendKey?.(keys)
    .catch(error => {
      throw failure(messageOf(error))
    })
}

export const qemuLookRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: vm,
    handle: () => PARTS.map(subdir => ({ subdir })),
  }),
  route({
    method: 'GET',
    path: `${path}/feature`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: {
      ...vm,
      feature: { type: 'string', enum: ['snapshot', 'clone', 'copy'] },
      snapname: optional(snapshotName),
    },
    handle({ pve, params }) {
      const { vmid: id, snapname } = params
      requireConfigFile(pve, id)
      const found = findVm(pve, id)
      const feature = params.feature as 'snapshot' | 'clone' | 'copy'
      const config = snapname === undefined ? found.config : requireSnapshot(found, snapname).config
      const aspect = snapname === undefined ? undefined : 'snap'
      const has = snapshotDisks(config).every(([, volid]) => hasFeature(pve, feature, volid, aspect))
      return { hasFeature: has ? 1 : 0, nodes: nodesWithDrives(pve, config) }
    },
  }),
  route({
    method: 'PUT',
    path: `${path}/sendkey`,
    permission: allOf('/vms/{vmid}', 'VM.Console'),
    parameters: { ...vm, key: text, skiplock: optional(flag) },
    async handle({ pve, caller, params }) {
      requireMaySkipLock(caller, params.skiplock)
      const { vmid: id, key } = params
      await pve.locks.exclusive(id, LOCK_SECONDS, () => sendKeys(pve, id, key))
    },
  }),
]
