import type { Pool } from '../../config/pools.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { listVmPlaces } from '../../proxmox/list-vms.mts'
import { type Entry, neverMade, type VmDesign } from '../../registry/entry.mts'
import { createSlots } from '../../run/slots.mts'
import { clockForNew } from '../../site/require-clock.mts'
import { requireNode } from '../../site/require-node.mts'
import { requirePool } from '../../site/require-pool.mts'
import { requireStorages, type WantedStorage } from '../../site/require-storages.mts'
import type { VmContext } from '../context.mts'
import { diskStoragesOf } from './data-disks.mts'
import { requireDevicesOn } from './devices.mts'
import { type DraftVm, placeVm } from './draft.mts'
import { warnOfLogins } from './logins.mts'
import { requireCardNetworks } from './network.mts'
import { pickNode } from './node.mts'
import {
  requireClonable,
  requireDisk,
  requireMintable,
  requireNodeSsh,
  requirePrivileges,
} from './requirements.mts'
import { unregisteredVms } from './unregistered-vms.mts'

/**
 * Takes a name, a VMID and an address for a new VM, and writes down all that it is to be.
 * @throws ProxmintError for what Proxmox or the chain would refuse; nothing is reserved then.
 */
export function reserveNewVm(draft: DraftVm, context: VmContext): Promise<Entry> {
  const reserve = () => reserveAt(draft, context)
  return draft.node === 'auto' ? CHOOSING.use(['node'], reserve) : reserve()
}

/** A node is chosen by what other VMs have reserved: VMs of one run are reserved one after another. */
const CHOOSING = createSlots(() => 1)

async function reserveAt(draft: DraftVm, context: VmContext): Promise<Entry> {
  const { name } = draft
  const { store, connection, checks, issuer } = context
  const { site, client } = checks
  const node = await nodeFor(context, draft)
  const now = await clockForNew(checks)
  const wanted = placeVm(draft, node, checks.credentials.storagePool, now())
  const { design } = wanted
  requireNodeSsh(checks, design)
  await requirePrivileges(checks, `vm create ${name}`, node, design)
  if (design.resourcePool !== undefined)
    await requirePool(client, design.resourcePool, '`resource_pool` (--resource-pool)')
  await requireStorages(client, node, storagesFor(design))
  await requireDevicesOn(client, node, design.devices)
  await requireCardNetworks(checks, node, design, poolsOfDraft(draft))
  await requireDisk(checks, design.template, design.disk)
  await requireClonable(checks, design.template, node)
  await requireMintable(wanted, issuer)
  warnOfLogins(wanted)
  const { vmidRange, quotas } = await site.pools()
  const takenVmids = new Set((await listVmPlaces(client)).map(vm => vm.vmid))
  const unknown = await unregisteredVms(context)
  for (;;) {
    const limits = { vmidRange, takenVmids, unknown, quotas, now: now() }
    const [entry] = await store.reserve([wanted], limits)
    if (await isVmidFree(connection.client, entry!.vmid)) return entry!
    // Somebody took it since the VMs were listed, or the API token may not see the VM that has it.
    takenVmids.add(entry!.vmid)
    await store.change(entry!, one => neverMade(one, new Date()))
    for (const { vmid } of await listVmPlaces(connection.client)) takenVmids.add(vmid)
  }
}

function poolsOfDraft({ pool, further = [] }: DraftVm): (card: number) => Pool[] {
  const all = [{ card: 0, pool }, ...further]
  return card => all.flatMap(one => (one.card === card ? [one.pool] : []))
}

/** Lists the storages that a VM needs. They are decided with the reservation, and cannot be changed later. */
function storagesFor(design: VmDesign): WantedStorage[] {
  const { storage, cloudInit } = design
  const content = cloudInit.delivery === 'iso' ? 'iso' : 'snippets'
  return [
    { storage, contents: ['images'], setBy: 'proxmox_storage_pool in the credentials' },
    ...diskStoragesOf(design)
      .slice(1)
      .map(one => ({ storage: one, contents: ['images'], setBy: '`storage` of the data disk' })),
    { storage: cloudInit.storage, contents: [content], setBy: '`cloud_init.storage` in config/vm.yaml' },
  ]
}

/** @throws ProxmintError (usage) for a node that is not in the cluster. */
async function nodeFor({ checks, connection, store }: VmContext, draft: DraftVm): Promise<string> {
  const { node } = draft
  if (node === undefined) return checks.credentials.node
  // Free memory is asked anew for each VM, or all of a fleet would be made on one node.
  if (node === 'auto') return pickNode(connection, draft, await store.list())
  await requireNode(checks.client, node)
  return node
}
