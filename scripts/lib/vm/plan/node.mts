import type { ProxmoxClient } from '../../proxmox/client.mts'
import { listNodeStorages, listNodes, type NodeStorage, type NodeSummary } from '../../proxmox/list-nodes.mts'
import { listVmPlaces } from '../../proxmox/list-vms.mts'
import { ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import type { TemplateSource } from './draft.mts'

/** What a node must have. */
interface NodeWish {
  storage: string
  /** Nodes with a copy of the VM template. */
  templateNodes: string[]
}

/** `--node auto`, in two requests. @throws ProxmintError that says why each node is out. */
export async function pickNode({ client, credentials }: Connection, source: TemplateSource): Promise<string> {
  const [nodes, storages, templateNodes] = await Promise.all([
    listNodes(client),
    listNodeStorages(client),
    nodesWithTemplate(client, source),
  ])
  return chooseNode(nodes, storages, { storage: credentials.storagePool, templateNodes })
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
  const has = storages.some(
    one => one.node === node.node && one.storage === wish.storage && one.status === 'available',
  )
  if (!has) return `has no storage ${wish.storage}`
  return node.maxmem === undefined ? 'does not tell its memory: Sys.Audit on it is missing' : undefined
}

function freeMemory({ mem = 0, maxmem = 0 }: NodeSummary): number {
  return maxmem - mem
}
