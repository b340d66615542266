import type { ProxmoxClient } from './client.mts'
import { isGatewayStatus, ProxmoxApiError } from './errors.mts'
import { listOf } from './shape.mts'

/** What `/cluster/resources` always has right: which VMs there are, where, and their tags. */
export interface VmPlace {
  vmid: number
  node: string
  /** Tags, separated by semicolons. */
  tags?: string
}

/**
 * GET /cluster/resources: the resource pool of a VM; undefined if it is in none, or the identity lacks Pool.Audit on it.
 */
export async function findPoolOf(client: ProxmoxClient, vmid: number): Promise<string | undefined> {
  return (await listGuests(client)).find(guest => guest.vmid === vmid)?.pool
}

/** VM as its node knows it. */
export interface VmSummary extends VmPlace {
  /** Undefined if it is not known: see `status`. */
  name?: string
  /** `running`, `stopped` or `paused`; `unknown` if the node does not answer, or does not have the VM any more. */
  status: string
  /** 1 for a VM template. */
  template?: number
}

/**
 * GET /cluster/resources: the VMs of all nodes on which the identity has VM.Audit. Other VMs are missing silently. Names,
 * status and template flags are left out: there they are up to 10 s old, and differ from answer to answer.
 */
export async function listVmPlaces(client: ProxmoxClient): Promise<VmPlace[]> {
  const vms = (await listGuests(client)).filter(({ type }) => type === 'qemu')
  return vms.map(({ vmid, node, tags }) => ({ vmid, node, ...(tags !== undefined && { tags }) }))
}

/**
 * GET /cluster/resources, and GET /nodes/{node}/qemu of each node that has one of the VMs: the VMs of all nodes on which the
 * identity has VM.Audit. Other VMs are missing silently.
 */
export async function listVms(client: ProxmoxClient): Promise<VmSummary[]> {
  return describeVms(client, await listVmPlaces(client))
}

/** GET /nodes/{node}/qemu of each node that has one of the VMs: adds name, status and template flag. */
export async function describeVms(client: ProxmoxClient, vms: VmPlace[]): Promise<VmSummary[]> {
  const nodes = [...new Set(vms.map(({ node }) => node))]
  const lists = await Promise.all(nodes.map(node => listVmsOf(client, node).catch(unlessUnreachable)))
  const known = new Map(lists.flat().map(vm => [vm.vmid, vm]))
  return vms.map(place => {
    const vm = known.get(place.vmid)
    return vm?.node === place.node ? vm : { ...place, status: 'unknown' }
  })
}

/** A node that is off hides its own VMs, and those of no other node. */
function unlessUnreachable(error: unknown): VmSummary[] {
  if (error instanceof ProxmoxApiError && isGatewayStatus(error.status)) return []
  throw error
}

/** GET /nodes/{node}/qemu: the VMs of one node on which the identity has VM.Audit, as they are now. */
export async function listVmsOf(client: ProxmoxClient, node: string): Promise<VmSummary[]> {
  const path = `/nodes/${encodeURIComponent(node)}/qemu`
  const asked = client.request<Omit<VmSummary, 'node'>[]>('GET', path)
  const vms = await listOf(`GET ${path}`, asked, { vmid: 'number', status: 'string' })
  return vms.map(vm => ({ ...vm, node }))
}

/**
 * GET /cluster/resources: the VMs of a name, as one of the API workers knows them at this moment. Packer looks its base VM up
 * in it. For any other purpose it is too old.
 */
export async function findVmsLikePacker(client: ProxmoxClient, name: string): Promise<VmPlace[]> {
  return (await listGuests(client)).filter(vm => vm.name === name)
}

/** GET /cluster/resources: the VMIDs of VMs and containers that the identity may see. */
export async function listVmids(client: ProxmoxClient): Promise<number[]> {
  return (await listGuests(client)).map(({ vmid }) => vmid)
}

/** Checks whether a container that the identity may see has the VMID. */
export async function isContainer(client: ProxmoxClient, vmid: number): Promise<boolean> {
  return (await listGuests(client)).some(guest => guest.type === 'lxc' && guest.vmid === vmid)
}

interface Guest extends VmPlace {
  type: string
  name?: string
  pool?: string
}

function listGuests(client: ProxmoxClient): Promise<Guest[]> {
  const asked = client.request<Guest[]>('GET', '/cluster/resources', { type: 'vm' })
  return listOf('GET /cluster/resources', asked, { type: 'string', vmid: 'number', node: 'string' })
}
