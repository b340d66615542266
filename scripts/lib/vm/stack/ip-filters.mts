/** Reads and writes the sets of addresses by which the firewall filters cards. */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import {
  addToIpSet,
  deleteIpSet,
  listIpSets,
  makeIpSet,
  readIpSet,
  removeFromIpSet,
} from '../../proxmox/ip-sets.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { VmDesign } from '../../registry/entry.mts'
import type { Edit } from '../shape/edit.mts'
import { filtersOf, type IpFilters } from '../shape/ip-filters.mts'

/** Reads the sets that a design decides about. Asks nothing where there are none. */
export async function readIpFilters(
  client: ProxmoxClient,
  vm: VmRef,
  design: Pick<VmDesign, 'cards'>,
): Promise<IpFilters> {
  const wanted = filtersOf(design)
  if (wanted.length === 0) return new Map()
  const there = (await listIpSets(client, vm)).filter(name => wanted.includes(name))
  return new Map(
    await Promise.all(there.map(async name => [name, await readIpSet(client, vm, name)] as const)),
  )
}

/** Makes a set what it is to be; undefined: gone. An address is added before another one leaves. */
export async function alignIpSet(
  client: ProxmoxClient,
  vm: VmRef,
  { name, has, wanted }: NonNullable<Edit['ipSet']>,
): Promise<void> {
  if (has === undefined) await makeIpSet(client, vm, name)
  for (const one of wanted ?? []) if (!has?.includes(one)) await addToIpSet(client, vm, name, one)
  for (const one of has ?? []) if (!wanted?.includes(one)) await removeFromIpSet(client, vm, name, one)
  if (wanted === undefined) await deleteIpSet(client, vm, name)
}
