/** Load and size of a node: those of the lab's machine, unless the cluster's description gives a size. */

import { cpus, freemem, loadavg, release, totalmem } from 'node:os'
import { findNode } from '../core/cluster.mts'
import type { Pve, Statistics } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { NodeConfig } from '../core/state.mts'
import { fileSystemSpace } from '../storage/space.mts'
import { memoryOf } from '../vm/vm.mts'
import { releaseOf } from './version.mts'

function uptimeOf(pve: Pve): number {
  return Math.max(1, Math.floor((Date.now() - pve.startedAt) / 1000))
}

/** Bytes that a node of a given size uses itself. */
const OWN_MEMORY = 1024 ** 3

/** Sums the memory of a node's running guests in bytes. Each uses all that its config allows. */
function memoryOfGuests(pve: Pve, node: string): number {
  return Object.values(pve.store.state.vms)
    .filter(vm => vm.node === node && pve.live.has(vm.vmid))
    .reduce((sum, vm) => sum + memoryOf(vm.config) * 1024 ** 2, 0)
}

/** Bytes. */
interface Memory {
  total: number
  used: number
  free: number
  available: number
}

function memory(pve: Pve, { name, memory: given }: NodeConfig): Memory {
  const total = given ?? totalmem()
  const used =
    given === undefined ? total - freemem() : Math.min(given, OWN_MEMORY + memoryOfGuests(pve, name))
  return { total, used, free: total - used, available: total - used }
}

/** Returns the number of a node's CPUs. Default: those of the machine. */
function coresOfNode({ cores }: NodeConfig): number {
  return cores ?? cpus().length
}

function load(node: NodeConfig): number {
  return Math.min(1, (loadavg()[0] ?? 0) / coresOfNode(node))
}

/** Returns a node's load for lists. Memory is in bytes, CPU is a fraction of all cores. */
function nodeUsage(pve: Pve, node: NodeConfig): ApiObject {
  const { total, used } = memory(pve, node)
  return {
    cpu: load(node),
    maxcpu: coresOfNode(node),
    mem: used,
    maxmem: total,
    uptime: uptimeOf(pve),
  }
}

/** Returns what a node sends of itself to the cluster. */
export async function nodeStatistics(pve: Pve): Promise<ApiObject> {
  const { total, used } = await fileSystemSpace(pve.dataDir)
  return { ...nodeUsage(pve, findNode(pve.store.state, pve.node)!), disk: used, maxdisk: total }
}

/** Returns an entry of `/nodes` and `/cluster/resources`. Without `mayAudit`, and offline, it has no load. */
export function nodeEntry(node: NodeConfig, mayAudit: boolean, statistics: Statistics): ApiObject {
  const known = statistics.get(`node/${node.name}`)
  return {
    id: `node/${node.name}`,
    type: 'node',
    node: node.name,
    status: !node.online ? 'offline' : known ? 'online' : 'unknown',
    ...(node.online && known && { level: '', ...(mayAudit && known) }),
  }
}

function processors(node: NodeConfig): ApiObject {
  return {
    model: cpus()[0]?.model ?? 'unknown',
    cpus: coresOfNode(node),
    cores: coresOfNode(node),
    sockets: 1,
  }
}

/** Returns the answer to `/nodes/{node}/status`. @param root file system of the lab's folder, in bytes. */
export function nodeStatus(pve: Pve, root: { total: number; used: number; avail: number }): ApiObject {
  const node = findNode(pve.store.state, pve.node)!
  return {
    uptime: uptimeOf(pve),
    cpu: load(node),
    wait: 0,
    idle: 0,
    ksm: { shared: 0 },
    loadavg: loadavg().map(each => each.toFixed(2)),
    memory: memory(pve, node),
    swap: { total: 0, free: 0, used: 0 },
    rootfs: { ...root, free: root.avail },
    cpuinfo: processors(node),
    'current-kernel': { sysname: 'Linux', release: release(), version: '#1 SMP', machine: 'x86_64' },
    'boot-info': { mode: 'legacy-bios' },
    kversion: `Linux ${release()}`,
    pveversion: `pve-manager/${releaseOf(pve).version}/${releaseOf(pve).repoid}`,
  }
}
