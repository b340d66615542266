import type { ProxmoxClient } from '../../proxmox/client.mts'
import { listNodeStorages, listNodes, type NodeStorage, type NodeSummary } from '../../proxmox/list-nodes.mts'
import { listVmPlaces } from '../../proxmox/list-vms.mts'
import type { Entry } from '../../registry/entry.mts'
import { ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import { diskStoragesOf } from './data-disks.mts'
import { nodesWithDevices } from './devices.mts'
import type { DraftVm, TemplateSource } from './draft.mts'

/** What a node must have. */
interface NodeWish {
  storages: string[]
  /** Nodes with a copy of the VM template. */
  templateNodes: string[]
  /** Nodes with the devices; undefined: the VM has none. */
  deviceNodes?: ReadonlySet<string> | undefined
}

/** Age from which what a node tells of its memory has a VM in it: a node sends every 10 s, and copies are up to 4 s old. */
const TOLD_MS = 15_000

/**
 * `--node auto`, in two requests.
 * @param entries of the registry: what was promised to them counts as used.
 * @throws ProxmintError that says why each node is out.
 */
export async function pickNode(
  { client, credentials }: Pick<Connection, 'client' | 'credentials'>,
  { source, design }: Pick<DraftVm, 'source' | 'design'>,
  entries: Entry[],
): Promise<string> {
  const [nodes, storages, templateNodes, deviceNodes] = await Promise.all([
    listNodes(client),
    listNodeStorages(client),
    nodesWithTemplate(client, source),
    nodesWithDevices(client, design.devices),
  ])
  const promised = promisedMemory(entries, Date.now())
  const free = nodes.map(node => ({ ...node, mem: (node.mem ?? 0) + (promised.get(node.node) ?? 0) }))
  const wanted = diskStoragesOf({ storage: credentials.storagePool, ...design })
  return chooseNode(free, storages, { storages: wanted, templateNodes, deviceNodes })
}

/**
 * Memory of VMs, in bytes by node, that are to run there and that the figures of Proxmox do not have yet.
 * @param now milliseconds since 1970.
 */
export function promisedMemory(entries: Entry[], now: number): Map<string, number> {
  const promised = new Map<string, number>()
  for (const { node, design, phase, history } of entries) {
    const changed = Date.parse(history.at(-1)?.at ?? '')
    const isToStart = ['reserved', 'created', 'minted'].includes(phase)
    const isNew = phase === 'active' && now - changed < TOLD_MS
    if (node === null || design === null || !(isToStart || isNew)) continue
    promised.set(node, (promised.get(node) ?? 0) + design.memory * 2 ** 20)
  }
  return promised
}

async function nodesWithTemplate(client: ProxmoxClient, source: TemplateSource): Promise<string[]> {
  if ('version' in source) return source.version.copies.map(({ node }) => node)
  return (await listVmPlaces(client)).filter(({ vmid }) => vmid === source.vmid).map(({ node }) => node)
}

/** The node with the most free memory of those that are online and have what is wanted. */
export function chooseNode(nodes: NodeSummary[], storages: NodeStorage[], wish: NodeWish): string {
  const judged = nodes.map(node => ({ ...node, fault: faultOf(node, storages, wish) }))
  const [best] = judged
    .filter(({ fault }) => fault === undefined)
    .sort((a, b) => freeMemory(b) - freeMemory(a) || a.node.localeCompare(b.node))
  if (best !== undefined) return best.node
  throw new ProxmintError('no node can take the VM', {
    facts: Object.fromEntries(judged.map(({ node, fault }) => [node, fault])),
    hint: 'build the VM template on another node, or name a node: --node NODE',
  })
}

function faultOf(node: NodeSummary, storages: NodeStorage[], wish: NodeWish): string | undefined {
  if (node.status !== 'online') return `is ${node.status}`
  if (!wish.templateNodes.includes(node.node)) return 'has no copy of the VM template'
  if (wish.deviceNodes?.has(node.node) === false) return 'lacks one of the devices'
  const lacking = wish.storages.find(
    wanted =>
      !storages.some(one => one.node === node.node && one.storage === wanted && one.status === 'available'),
  )
  if (lacking !== undefined) return `has no storage ${lacking}`
  return node.maxmem === undefined ? 'does not tell its memory: Sys.Audit on it is missing' : undefined
}

function freeMemory({ mem = 0, maxmem = 0 }: NodeSummary): number {
  return maxmem - mem
}
