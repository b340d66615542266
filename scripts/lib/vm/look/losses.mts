/** What goes with a VM that is destroyed: its own disks, and what somebody added in Proxmox. */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { listSnapshots } from '../../proxmox/list-snapshots.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { type Agreement, type Cost, costsOf } from '../../terraform/costs.mts'
import { isDisk, type Part, partNames, partsOf } from './parts.mts'

/** Something that a person made, and what its loss costs. */
interface Loss {
  /** `disk scsi1 (tank:vm-100-disk-1,size=4G)`. */
  what: string
  cost: Cost
}

/** A VM that is there. */
interface PresentVm {
  vm: VmRef
  config: VmConfig
}

/**
 * Checks before a VM is destroyed that somebody agreed to lose what a person added to it.
 * @param costs those that this destruction asks about: `rebuild` also asks about devices.
 * @throws ProxmintError (invalid) with each disk, snapshot and device.
 */
export async function requireNoLoss(
  client: ProxmoxClient,
  { name, design, phase, replaces }: Entry,
  { vm, config }: PresentVm,
  { allowed, again }: Agreement,
  costs: readonly Cost[] = ['data-loss'],
): Promise<void> {
  // A VM that is only half made has nothing of anybody's, and nobody wrote its parts down yet.
  if (phase === 'reserved' && replaces === undefined) return
  const losses = await lossesOf(client, vm, config, design?.made)
  const refused = losses.filter(({ cost }) => costs.includes(cost) && !allowed.has(cost))
  if (refused.length === 0) return
  const words = costsOf(losses.filter(({ cost }) => costs.includes(cost)))
  throw new ProxmintError(
    `${name} is left as it is: somebody added ${refused.map(({ what }) => what).join(', ')} in Proxmox`,
    {
      hint:
        'back it up or detach it in Proxmox, or agree to lose it: ' +
        `${again} ${words.map(word => `--allow ${word}`).join(' ')}`,
      exitCode: exitCodes.invalid,
    },
  )
}

/** Lists what somebody made in Proxmox. @param made slots that the VM had when it was made. */
async function lossesOf(
  client: ProxmoxClient,
  vm: VmRef,
  config: VmConfig,
  made: readonly string[] | undefined,
): Promise<Loss[]> {
  const { foreignDisks, foreignDevices } = partsOf(config, made)
  const named = (kind: string, cost: Cost, parts: Part[]): Loss[] =>
    parts.map(part => ({ what: `${kind} ${partNames([part])}`, cost }))
  return [
    ...named('disk', 'data-loss', foreignDisks),
    ...(await listSnapshots(client, vm)).map(
      (name): Loss => ({ what: `snapshot ${name}`, cost: 'data-loss' }),
    ),
    ...named('device', 'remove', foreignDevices),
  ]
}

/** Describes what goes with a VM, a line each: every disk with who made it, and what somebody added. */
export async function describeLosses(
  client: ProxmoxClient,
  { design }: Pick<Entry, 'design'>,
  { vm, config }: PresentVm,
): Promise<string[]> {
  const own = partsOf(config, design?.made).ours.filter(isDisk)
  const losses = await lossesOf(client, vm, config, design?.made)
  return [
    ...own.map(part => `disk ${partNames([part])}: made by proxmint`),
    ...losses.map(({ what }) => `${what}: added by somebody in Proxmox`),
  ]
}
