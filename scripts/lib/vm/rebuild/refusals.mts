/** Reasons why the root disk of a VM cannot be exchanged. */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { listSnapshots } from '../../proxmox/list-snapshots.mts'
import { bootDiskOf } from '../../proxmox/vm-devices.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'

/** @throws ProxmintError (invalid) for a VM with snapshots, or one that does not boot from the slot of root disks. */
export async function requireExchangeable(
  client: ProxmoxClient,
  { name }: Pick<Entry, 'name'>,
  { vm, config }: { vm: VmRef; config: VmConfig },
): Promise<void> {
  const snapshots = await listSnapshots(client, vm)
  if (snapshots.length > 0) throw hasSnapshots(name, vm, snapshots)
  const slot = bootDiskOf(config)
  if (slot === ROOT_DISK) return
  throw new ProxmintError(`${name} does not boot from ${ROOT_DISK}, but from ${slot ?? 'no disk'}`, {
    hint: `nothing was changed; a rebuild exchanges ${ROOT_DISK} alone. In Proxmox, Hardware and Options > Boot Order, make it the disk that the VM boots from`,
    exitCode: exitCodes.invalid,
  })
}

function hasSnapshots(name: string, { vmid, node }: VmRef, names: string[]): ProxmintError {
  return new ProxmintError(`${name} has snapshots, which belong to its root disk: ${names.join(', ')}`, {
    hint: `nothing was changed; delete them first, on ${node}: ${names.map(one => `qm delsnapshot ${vmid} ${one}`).join(' && ')}`,
    exitCode: exitCodes.invalid,
  })
}

/** @throws ProxmintError (usage) for a VM that is off because its time is over. */
export function requireNotSuspended({ name, phase }: Entry): void {
  if (phase !== 'suspended') return
  throw new ProxmintError(`${name} is suspended, and its disk is kept for its owner`, {
    hint: `first zx scripts/vm.mts resume ${name} --days N, or zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.usage,
  })
}
