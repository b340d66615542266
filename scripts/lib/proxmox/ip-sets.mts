/** Sets of addresses of a VM's firewall: `/nodes/{node}/qemu/{vmid}/firewall/ipset`. Needs VM.Config.Network. */
import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

const pathOf = (vm: VmRef, ...more: string[]): string =>
  [vmPath(vm), 'firewall/ipset', ...more.map(encodeURIComponent)].join('/')

/** GET .../firewall/ipset; needs VM.Audit. @returns the names. */
export async function listIpSets(client: ProxmoxClient, vm: VmRef): Promise<string[]> {
  const asked = client.request<{ name: string }[]>('GET', pathOf(vm))
  return (await listOf(`GET ${pathOf(vm)}`, asked, { name: 'string' })).map(({ name }) => name)
}

/** GET .../firewall/ipset/{name}; needs VM.Audit. @returns addresses and networks, as Proxmox writes them. */
export async function readIpSet(client: ProxmoxClient, vm: VmRef, name: string): Promise<string[]> {
  const path = pathOf(vm, name)
  const asked = client.request<{ cidr: string }[]>('GET', path)
  return (await listOf(`GET ${path}`, asked, { cidr: 'string' })).map(({ cidr }) => cidr)
}

export async function makeIpSet(client: ProxmoxClient, vm: VmRef, name: string): Promise<void> {
  await client.request('POST', pathOf(vm), { name })
}

/** The set must be empty. */
export async function deleteIpSet(client: ProxmoxClient, vm: VmRef, name: string): Promise<void> {
  await client.request('DELETE', pathOf(vm, name))
}

export async function addToIpSet(
  client: ProxmoxClient,
  vm: VmRef,
  name: string,
  cidr: string,
): Promise<void> {
  await client.request('POST', pathOf(vm, name), { cidr })
}

export async function removeFromIpSet(
  client: ProxmoxClient,
  vm: VmRef,
  name: string,
  cidr: string,
): Promise<void> {
  await client.request('DELETE', pathOf(vm, name, cidr))
}
