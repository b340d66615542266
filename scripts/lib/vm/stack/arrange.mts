/**
 * The first card and the size of the root disk. Terraform's provider would rewrite all cards and detach disks that it
 * does not know, so proxmint changes these two itself, and only what differs.
 */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { gibOf, propertiesOf, withProperty } from '../../proxmox/property-string.mts'
import { resizeDisk } from '../../proxmox/resize-disk.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { VmDesign } from '../../registry/entry.mts'
import type { Change } from '../../terraform/costs.mts'
import { ROOT_DISK } from '../look/drift.mts'

/** What is to be changed, and how. */
interface Arrangement {
  changes: Change[]
  /** The new text of the first card; undefined: it is right. */
  card: string | undefined
  /** GiB; undefined: the disk is large enough. */
  size: number | undefined
}

/** Compares bridge, VLAN and size with the design. The rest of the card stays: MAC address, firewall, rate, ... */
export function planArrangement(
  { network: { bridge, vlan }, disk }: Pick<VmDesign, 'network' | 'disk'>,
  config: VmConfig,
): Arrangement {
  const before = String(config['net0'] ?? '')
  const present = propertiesOf(before, 'model')
  const tag = vlan === null ? undefined : String(vlan)
  const bridged =
    present.get('bridge') === bridge ? before : withProperty(before || 'virtio', 'bridge', bridge)
  const card = present.get('tag') === tag ? bridged : withProperty(bridged, 'tag', tag)
  const gib = gibOf(String(config[ROOT_DISK] ?? ''))
  const size = gib !== undefined && gib < disk ? disk : undefined
  return {
    card: card === before ? undefined : card,
    size,
    changes: [
      ...change('bridge', present.get('bridge'), bridge),
      ...change('VLAN', present.get('tag'), tag),
      ...(size === undefined ? [] : change('disk in GiB', String(Number(gib!.toFixed(2))), String(size))),
    ],
  }
}

function change(what: string, from: string | undefined, to: string | undefined): Change[] {
  return from === to ? [] : [{ what, from: from ?? 'none', to: to ?? 'none', cost: null }]
}

/**
 * Makes the changes, which a VM takes while it runs.
 * @param digest of the config that was read: Proxmox refuses if somebody changed it since.
 */
export async function executeArrangement(
  client: ProxmoxClient,
  vm: VmRef,
  { card, size }: Arrangement,
  { digest, timeoutMs }: { digest: string | undefined; timeoutMs: number },
): Promise<void> {
  if (card !== undefined)
    await updateVmConfig(client, vm, { net0: card, ...(digest !== undefined && { digest }) })
  if (size === undefined) return
  // A card that was just changed has changed the digest.
  const upid = await resizeDisk(client, vm, ROOT_DISK, `${size}G`, card === undefined ? digest : undefined)
  if (upid !== null) await waitForTask(client, upid, { timeoutMs })
}
