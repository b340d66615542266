/**
 * Statistics that each node's `pvestatd` sends to the cluster, and the copies that the API workers answer from
 * (`update_status` in PVE/Service/pvestatd.pm, `rrd_dump` in PVE/Cluster.pm, `cfs_rrd_dump` in pmxcfs/status.c).
 */

import { onNode, storagesOn } from '../core/cluster.mts'
import { API_WORKERS, type Pve, type Statistics } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import { nodeStatistics } from '../nodes/node.mts'
import { spaceOf } from '../storage/space.mts'
import { vmStatistics } from '../vm/status.mts'

/** Seconds between two broadcasts of a node of Proxmox. */
export const BROADCAST_SECONDS = 10
/** Age at which the file system of the cluster, and then a worker, renews its copy: 2 s on Proxmox. */
const COPY_PERIODS = 0.2
/** Age at which statistics are dropped that no node sends any more: 5 min on Proxmox. */
const EXPIRY_PERIODS = 30

export interface Broadcast {
  /** Returns the statistics that an API worker knows. */
  seenBy(worker: number): Promise<Statistics>
  /** Forgets everything, then lets every node send. */
  restart(): Promise<void>
  end(): void
}

/** @param seconds between two broadcasts of a node; 0: every answer has the present statistics. */
export function createBroadcast(pve: Pve, seconds: number): Broadcast {
  return seconds === 0 ? presentStatistics(pve) : periodicBroadcast(pve, seconds)
}

function presentStatistics(pve: Pve): Broadcast {
  const present = async (): Promise<Statistics> =>
    new Map((await Promise.all(onlineNodes(pve).map(node => collect(pve, node)))).flat())
  return { seenBy: present, restart: async () => {}, end: () => {} }
}

function periodicBroadcast(pve: Pve, seconds: number): Broadcast {
  const sent = new Map<string, { entry: ApiObject; at: number }>()
  const ms = seconds * 1000
  async function send(node: string): Promise<void> {
    const at = performance.now()
    for (const [key, entry] of await collect(pve, node)) sent.set(key, { entry, at })
    for (const [key, { at: then }] of sent) if (at - then > EXPIRY_PERIODS * ms) sent.delete(key)
  }
  const copies = (): (() => Statistics)[] => {
    const dump = renewed(COPY_PERIODS * ms, () => new Map([...sent].map(([key, { entry }]) => [key, entry])))
    return Array.from({ length: API_WORKERS }, () => renewed(COPY_PERIODS * ms, dump))
  }
  let workers = copies()
  // The nodes send one after the other, each once in a period.
  let turn = 0
  const timer = setInterval(() => {
    const nodes = onlineNodes(pve)
    void send(nodes[turn++ % nodes.length]!).catch(() => {})
  }, ms / onlineNodes(pve).length).unref()
  return {
    seenBy: async worker => workers[worker]!(),
    async restart() {
      sent.clear()
      for (const node of onlineNodes(pve)) await send(node)
      workers = copies()
    },
    end: () => clearInterval(timer),
  }
}

function onlineNodes(pve: Pve): string[] {
  return pve.store.state.nodes.filter(({ online }) => online).map(({ name }) => name)
}

type Sent = [key: string, entry: ApiObject]

/** Lists what a node sends, by the keys of `Statistics`. */
async function collect(pve: Pve, node: string): Promise<Sent[]> {
  const here = onNode(pve, node)
  const { vms } = pve.store.state
  const storages = storagesOn(pve.store.state, node).map(([id]) => storageSent(here, id))
  const [own, ...spaces] = await Promise.all([nodeStatistics(here), ...storages])
  return [
    [`node/${node}`, own],
    ...spaces.flat(),
    ...Object.values(vms)
      .filter(vm => vm.node === node)
      .map((vm): Sent => [`vm/${vm.vmid}`, vmStatistics(here, vm)]),
  ]
}

/** Of a storage that is not active, such as one whose folder is gone, nothing is sent. */
async function storageSent(pve: Pve, id: string): Promise<Sent[]> {
  const space = await spaceOf(pve, id).catch(() => undefined)
  return space ? [[`storage/${pve.node}/${id}`, { disk: space.used, maxdisk: space.total }]] : []
}

/** Keeps a value until it is `ms` old. */
function renewed<T>(ms: number, make: () => T): () => T {
  let held: { value: T; at: number } | undefined
  return () => {
    if (held === undefined || performance.now() - held.at >= ms)
      held = { value: make(), at: performance.now() }
    return held.value
  }
}
