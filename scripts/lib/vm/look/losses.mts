/** What goes with a VM that is destroyed: its own disks, and what somebody added in Proxmox. */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { listSnapshots } from '../../proxmox/list-snapshots.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { Entry, Phase } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { type Agreement, type Cost, costsOf } from '../../terraform/costs.mts'
import { dataDiskSlots, detachedDisks } from '../shape/data-disks.mts'
import { isDisk, knownPartsOf, type Part, partNames, partsOf } from './parts.mts'

/** Something that is not to be lost unasked, and what its loss costs. */
interface Loss {
  /** `disk scsi1 (tank:vm-100-disk-1,size=4G)`. */
  what: string
  cost: Cost
  /** Why it is not to be lost. */
  why: typeof ADDED | typeof KEPT | typeof OUTLIVES
}

const ADDED = 'added by somebody in Proxmox'
const KEPT = 'marked `keep`'
const OUTLIVES = 'which a VM that is made anew would not have'

/** A VM that is there. */
interface PresentVm {
  vm: VmRef
  config: VmConfig
}

/**
 * Checks before a VM is destroyed that somebody agreed to lose what a person added to it.
 * @param costs those that this destruction asks about. With `remove`, the VM is made anew: its devices count, and all its data disks.
 * @throws ProxmintError (invalid) with each disk, snapshot and device.
 */
export async function requireNoLoss(
  client: ProxmoxClient,
  entry: Entry,
  { vm, config }: PresentVm,
  { allowed, again }: Agreement,
  costs: readonly Cost[] = ['data-loss'],
): Promise<void> {
  const { name, phase, replaces } = entry
  // A VM that is only half made has nothing of anybody's, and nobody wrote its parts down yet.
  if (phase === 'reserved' && replaces === undefined) return
  const losses = await lossesOf(client, entry, { vm, config }, costs.includes('remove'))
  const refused = losses.filter(({ cost }) => costs.includes(cost) && !allowed.has(cost))
  if (refused.length === 0) return
  const words = costsOf(losses.filter(({ cost }) => costs.includes(cost)))
  throw new ProxmintError(`${name} is left as it is: ${reasonsOf(refused)}`, {
    hint:
      'back it up or detach it in Proxmox, or agree to lose it: ' +
      `${again} ${words.map(word => `--allow ${word}`).join(' ')}`,
    exitCode: exitCodes.invalid,
  })
}

function reasonsOf(losses: Loss[]): string {
  const named = (why: Loss['why']) => losses.filter(one => one.why === why).map(({ what }) => what)
  const added = named(ADDED)
  const own = ([KEPT, OUTLIVES] as const).filter(why => named(why).length > 0)
  return [
    ...own.map(why => `it has ${named(why).join(', ')}, ${why}`),
    added.length > 0 && `somebody added ${added.join(', ')} in Proxmox`,
  ]
    .filter(Boolean)
    .join('; ')
}

/** What is read of an entry. */
type KnownVm = Pick<Entry, 'design' | 'phase' | 'failure' | 'previous' | 'rebuild' | 'foreign'>

/** Lists what somebody made in Proxmox, and the data disks that are to be kept. */
async function lossesOf(
  client: ProxmoxClient,
  entry: KnownVm,
  { vm, config }: PresentVm,
  isMadeAnew = false,
): Promise<Loss[]> {
  const { foreignDisks, foreignDevices } = partsOf(config, knownPartsOf(entry))
  const named = (kind: string, cost: Cost, parts: Part[]): Loss[] =>
    parts.map(part => ({ what: `${kind} ${partNames([part])}`, cost, why: ADDED }))
  const detached = detachedDisks(entry.design ?? {}, config)
  return [
    ...keptDisks(entry, config, isMadeAnew),
    ...foreignDisks.map((part): Loss => {
      const name = detached.get(part.slot)
      const [loss] = named(name === undefined ? 'disk' : `detached data disk ${name}`, 'data-loss', [part])
      return loss!
    }),
    ...(await listSnapshots(client, vm)).map(
      (name): Loss => ({ what: `snapshot ${name}`, cost: 'data-loss', why: ADDED }),
    ),
    ...named('device', 'remove', foreignDevices),
  ]
}

/** Phases before the first boot. A disk of such a VM is empty, unless the boot itself failed. */
const NEVER_BOOTED: readonly Phase[] = ['reserved', 'created', 'minted']

function keptDisks({ design, phase, failure }: KnownVm, config: VmConfig, isMadeAnew: boolean): Loss[] {
  if (design === null || (NEVER_BOOTED.includes(phase) && failure?.step !== 'boot')) return []
  const kept = (design.disks ?? []).filter(({ keep }) => keep || isMadeAnew).map(({ name }) => name)
  return [...dataDiskSlots(design, config)]
    .filter(([, name]) => kept.includes(name))
    .map(([slot, name]) => ({
      what: `data disk ${name} ${partNames([{ slot, value: String(config[slot]) }])}`,
      cost: 'data-loss',
      why: isMadeAnew ? OUTLIVES : KEPT,
    }))
}

/** Describes what goes with a VM, a line each: every disk with who made it, and what somebody added. */
export async function describeLosses(
  client: ProxmoxClient,
  entry: KnownVm,
  { vm, config }: PresentVm,
): Promise<string[]> {
  const names = dataDiskSlots(entry.design ?? {}, config)
  const own = partsOf(config, knownPartsOf(entry)).ours.filter(isDisk)
  const losses = await lossesOf(client, entry, { vm, config })
  return [
    ...own.map(part => {
      const name = names.get(part.slot)
      return `${name === undefined ? 'disk' : `data disk ${name}`} ${partNames([part])}: made by proxmint`
    }),
    ...losses.map(({ what, why }) => `${what}: ${why}`),
  ]
}
