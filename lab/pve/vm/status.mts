/** Entries of VMs in lists, and the status of one VM. */

import type { Pve, Statistics } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import { drivesOf, isCdrom, parseSize } from './drive.mts'
import { coresOf, hasAgentChannel, isTemplate, memoryOf } from './vm.mts'

/** Returns the size of the boot disk in bytes; 0 without one. */
function bootDiskSize(vm: Vm): number {
  const disk = drivesOf(vm.config).find(([, drive]) => !isCdrom(drive))
  return parseSize(disk?.[1].options['size'] ?? '0') ?? 0
}

const NO_TRAFFIC = { diskread: 0, diskwrite: 0, netin: 0, netout: 0 }

function usage(pve: Pve, vm: Vm): ApiObject {
  const live = pve.live.get(vm.vmid)
  return {
    status: live ? 'running' : 'stopped',
    uptime: live ? Math.max(1, Math.floor((Date.now() - live.startedAt) / 1000)) : 0,
    cpu: 0,
    mem: live ? Math.floor(memoryOf(vm.config) * 1024 ** 2 * 0.4) : 0,
    maxmem: memoryOf(vm.config) * 1024 ** 2,
    maxdisk: bootDiskSize(vm),
    disk: 0,
    ...NO_TRAFFIC,
  }
}

function optionals({ config }: Vm): { lock?: string; tags?: string } {
  return {
    ...(config['lock'] !== undefined && { lock: config['lock'] }),
    ...(config['tags'] !== undefined && config['tags'] !== '' && { tags: config['tags'] }),
  }
}

function nameOf(vm: Vm): string {
  return vm.config['name'] ?? `VM ${vm.vmid}`
}

/** Returns what the node sends of a VM to the cluster. */
export function vmStatistics(pve: Pve, vm: Vm): ApiObject {
  const { mem, ...used } = usage(pve, vm)
  return {
    name: nameOf(vm),
    template: isTemplate(vm.config) ? 1 : 0,
    maxcpu: coresOf(vm.config),
    ...used,
    ...{ status: statusOf(pve, vm)['qmpstatus'], mem },
    ...(pve.version >= 9 && { memhost: mem }),
  }
}

/** Returns an entry of `/cluster/resources` and of a pool. Place, lock and tags are present, the rest is as old as the statistics. */
export function resourceOf(vm: Vm, statistics: Statistics): ApiObject {
  return {
    id: `qemu/${vm.vmid}`,
    type: 'qemu',
    node: vm.node,
    vmid: vm.vmid,
    status: 'unknown',
    ...statistics.get(`vm/${vm.vmid}`),
    ...optionals(vm),
  }
}

/** Returns an entry of `/nodes/{node}/qemu`. */
export function listEntryOf(pve: Pve, vm: Vm): ApiObject {
  const live = pve.live.get(vm.vmid)
  return {
    vmid: vm.vmid,
    name: nameOf(vm),
    cpus: coresOf(vm.config),
    ...usage(pve, vm),
    ...(isTemplate(vm.config) && { template: 1 }),
    ...(live && { pid: live.pid }),
    ...optionals(vm),
  }
}

/** Returns the answer to `/nodes/{node}/qemu/{vmid}/status/current`. */
export function statusOf(pve: Pve, vm: Vm): ApiObject {
  return {
    ...listEntryOf(pve, vm),
    qmpstatus: pve.live.has(vm.vmid) ? 'running' : 'stopped',
    ha: { managed: 0 },
    ...(hasAgentChannel(vm.config) && { agent: 1 }),
  }
}
