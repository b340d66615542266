import type { ProxmoxClient } from '../../proxmox/client.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { listSnapshots } from '../../proxmox/list-snapshots.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { Change } from '../../terraform/costs.mts'
import { partsOf } from './parts.mts'

/**
 * Lists what somebody made in Proxmox and what goes with the VM: disks and snapshots (`data-loss`), devices (`remove`).
 * The VM's own disk is not among it.
 * @param made slots that the VM had when it was made.
 */
export async function lossesOf(
  client: ProxmoxClient,
  vm: VmRef,
  config: VmConfig,
  made: readonly string[] | undefined,
): Promise<Change[]> {
  const { foreignDisks, foreignDevices } = partsOf(config, made)
  const lost = (what: string, from: string, cost: Change['cost']): Change => ({
    what,
    from,
    to: 'none',
    cost,
  })
  return [
    ...foreignDisks.map(({ slot, value }) => lost(`disk ${slot}`, value, 'data-loss')),
    ...(await listSnapshots(client, vm)).map(name => lost('snapshot', name, 'data-loss')),
    ...foreignDevices.map(({ slot, value }) => lost(`device ${slot}`, value, 'remove')),
  ]
}
