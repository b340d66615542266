/** What a node shows of itself: the machine the lab runs on, or as large as the cluster's description says. */

import { cpus, freemem, loadavg, release, totalmem } from 'node:os'
import { findNode } from '../core/cluster.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { NodeConfig } from '../core/state.mts'
import { memoryOf } from '../vm/vm.mts'
import { releaseOf } from './version.mts'

function uptimeOf(pve: Pve): number {
  return Math.max(1, Math.floor((Date.now() - pve.startedAt) / 1000))
}

/** Bytes a node of a given size needs for itself. */
const OWN_MEMORY = 1024 ** 3

/** A node's guests use all the memory their configs give them, in bytes. */
function memoryOfGuests(pve: Pve, node: string): number {
  return Object.values(pve.store.state.vms)
    .filter(vm => vm.node === node && pve.live.has(vm.vmid))
    .reduce((sum, vm) => sum + memoryOf(vm.config) * 1024 ** 2, 0)
}

function memory(
  pve: Pve,
  { name, memory: given }: NodeConfig,
): { total: number; used: number; free: number; available: number } {
  const total = given ?? totalmem()
  const used =
    given === undefined ? total - freemem() : Math.min(given, OWN_MEMORY + memoryOfGuests(pve, name))
  return { total, used, free: total - used, available: total - used }
}

/** CPUs of a node that says how many it has, otherwise those of the machine. */
function coresOfNode({ cores }: NodeConfig): number {
  return cores ?? cpus().length
}

function load(node: NodeConfig): number {
  return Math.min(1, (loadavg()[0] ?? 0) / coresOfNode(node))
}

/** What lists show of a node. Memory in bytes, CPU as a fraction of all cores. */
function nodeUsage(pve: Pve, node: NodeConfig): ApiObject {
  const { total, used } = memory(pve, node)
  return {
    cpu: load(node),
    maxcpu: coresOfNode(node),
    mem: used,
    maxmem: total,
    uptime: uptimeOf(pve),
    level: '',
  }
}

/** An entry of `/nodes` and `/cluster/resources`; nothing is known of the load of a node that is offline. */
export function nodeEntry(pve: Pve, node: NodeConfig, mayAudit: boolean): ApiObject {
  return {
    id: `node/${node.name}`,
    type: 'node',
    node: node.name,
    status: node.online ? 'online' : 'offline',
    ...(mayAudit && node.online && nodeUsage(pve, node)),
  }
}

function processors(node: NodeConfig): { model: string; cpus: number; cores: number; sockets: number } {
  return {
    model: cpus()[0]?.model ?? 'unknown',
    cpus: coresOfNode(node),
    cores: coresOfNode(node),
    sockets: 1,
  }
}

/** `/nodes/{node}/status`; `root` is the file system the lab's folder lies on. */
export function nodeStatus(pve: Pve, root: { total: number; used: number; avail: number }): ApiObject {
  const node = findNode(pve.store.state, pve.node)!
  return {
    uptime: uptimeOf(pve),
    cpu: load(node),
    wait: 0,
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
