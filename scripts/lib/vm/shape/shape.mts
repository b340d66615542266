/**
 * Compares all that proxmint manages of a VM by the API with the VM's config. Terraform's provider would write all cards
 * anew, detach disks that it does not know, and reboot for nearly every change. Pure.
 */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import type { Entry, VmDesign } from '../../registry/entry.mts'
import { type Addressed, addressEdits } from './card-addresses.mts'
import { cardEdits } from './cards.mts'
import { dataDiskEdits } from './data-disks.mts'
import { deviceEdits } from './devices.mts'
import type { Edit } from './edit.mts'
import { whileOff, whileRunning } from './live.mts'
import { noteEdits } from './notes.mts'
import { optionEdits } from './options.mts'
import { rootDiskEdits } from './root-disk.mts'
import { tagEdits } from './tags.mts'

/** The part of a design that is compared here. */
export type Shape = Pick<VmDesign, 'network' | 'disk'> & Partial<VmDesign>

/**
 * Lists what differs, and what puts it right. What the design does not decide stays as it is.
 * @param addressed the entry of the design; undefined: its addresses are not compared.
 */
export function shapeEdits(
  design: Shape,
  config: VmConfig,
  retired?: Entry['retired'],
  addressed?: Addressed,
): Edit[] {
  return [
    ...optionEdits(design, config),
    ...cardEdits(design, config),
    ...(addressed === undefined ? [] : addressEdits(design, addressed, config)),
    ...rootDiskEdits(design.disk, config),
    ...dataDiskEdits(design, config),
    ...deviceEdits(design, config),
    ...tagEdits(design.tags, config, retired?.tags),
  ]
}

/** A VM whose design is known. */
export type Designed = Entry & { design: VmDesign }

/**
 * Lists the same with the notes, and with what each costs the VM as it is now.
 * @param config with what waits for the next start of the VM.
 * @param running config that the VM runs with; undefined: it is off.
 */
export function pricedEdits(entry: Designed, config: VmConfig, running: VmConfig | undefined): Edit[] {
  const by = (one: VmConfig): Edit[] => [
    ...shapeEdits(entry.design, one, entry.retired, entry),
    ...noteEdits(entry, one),
  ]
  return running === undefined ? whileOff(by(config)) : whileRunning(by(config), by(running), running)
}
