/**
 * Compares all that proxmint manages of a VM by the API with the VM's config. Terraform's provider would write all cards
 * anew, detach disks that it does not know, and reboot for nearly every change. Pure.
 */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import type { VmDesign } from '../../registry/entry.mts'
import type { Edit } from './edit.mts'
import { firstCardEdits } from './first-card.mts'
import { optionEdits } from './options.mts'
import { rootDiskEdits } from './root-disk.mts'

/** The part of a design that is compared here. */
export type Shape = Pick<VmDesign, 'network' | 'disk'> & Partial<VmDesign>

/** Lists what differs, and what puts it right. What the design does not decide stays as it is. */
export function shapeEdits(design: Shape, config: VmConfig): Edit[] {
  return [
    ...optionEdits(design, config),
    ...firstCardEdits(design.network, config),
    ...rootDiskEdits(design.disk, config),
  ]
}

/** The same edits for a VM that is off: nothing of it is rebooted. */
export function whileOff(edits: readonly Edit[]): Edit[] {
  return edits.map(edit =>
    edit.change.cost === 'reboot' ? { ...edit, change: { ...edit.change, cost: null } } : edit,
  )
}
