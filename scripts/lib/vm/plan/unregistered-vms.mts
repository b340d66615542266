/** VMs of this site that Proxmox has and the registry does not know: their names and addresses are not given out. */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { listVmPlaces, type VmPlace } from '../../proxmox/list-vms.mts'
import type { UnknownVm } from '../../registry/store.mts'
import { vmsWithoutEntry } from '../../registry/unknown-vms.mts'
import { say } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'
import { addressesIn } from '../look/config-addresses.mts'

/**
 * Lists the VMs that carry this site's tag and are not in the registry. Without one it costs no request of its own;
 * otherwise one, and one for the config of each.
 */
export async function unregisteredVms({ store, connection, checks }: VmContext): Promise<UnknownVm[]> {
  const find = async (client: ProxmoxClient): Promise<VmPlace[]> => {
    const vms = await listVmPlaces(client)
    // The registry is read later: a VM is in it before Proxmox has it.
    return vmsWithoutEntry({ vms, entries: await store.list(), config: checks.config })
  }
  if ((await find(checks.client)).length === 0) return []
  // That answer is as old as this run: a VM may have been destroyed since.
  const unknown = await find(connection.client)
  const known = await Promise.all(unknown.map(vm => withAddresses(vm, checks.client)))
  return known.flatMap(vm => vm ?? [])
}

/** @returns undefined for a VM template. */
async function withAddresses({ vmid, node }: VmPlace, client: ProxmoxClient): Promise<UnknownVm | undefined> {
  // A VM whose config cannot be read is known by its VMID alone.
  const config = await getVmConfig(client, { node, vmid }).catch((): VmConfig => ({}))
  if (config['template'] === 1) return undefined
  const name = String(config['name'] ?? '')
  const addresses = addressesIn(config)
  const about = `VM ${vmid} (${name || 'no name'}) carries this site's tag, and the registry does not know it`
  if (addresses.length === 0) say(`warning: ${about}; its address is not known either`)
  return { vmid, name, addresses }
}
