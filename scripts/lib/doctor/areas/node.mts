import { listNodes, type NodeSummary } from '../../proxmox/list-nodes.mts'
import { noSuchNode } from '../../site/require-node.mts'
import type { DoctorCheck } from '../check.mts'
import { faultOf, ok } from '../diagnosis.mts'
import { lookInProxmox } from '../session.mts'

interface NodeFacts {
  /** Node of the credentials. */
  wanted: string
  found: NodeSummary[]
}

/** Node of the credentials: in the cluster, and online. */
export const node: DoctorCheck<NodeFacts> = {
  area: 'node',
  look: ({ session }) =>
    lookInProxmox(session, async ({ client, credentials }) => ({
      wanted: credentials.node,
      found: await listNodes(client),
    })),
  judge: ({ wanted, found }) => {
    const status = found.find(one => one.node === wanted)?.status
    if (status === undefined) {
      const names = found.map(one => one.node)
      return [faultOf('node', noSuchNode(wanted, names, 'proxmox_node in the credentials'))]
    }
    if (status === 'online') return [ok('node', `${wanted} is online`)]
    const fix = 'start it, or name another one: sops edit secrets/proxmox-creds.enc.yaml'
    return [{ area: 'node', level: 'fault', what: `${wanted} is ${status}`, fix }]
  },
}
