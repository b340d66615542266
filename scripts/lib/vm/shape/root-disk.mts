/** Size of the root disk. It grows and never shrinks. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { gibOf } from '../../proxmox/property-string.mts'
import { type Edit, edited } from './edit.mts'

/** The slot of the root disk. proxmint makes no VM without it. */
export const ROOT_DISK = 'scsi0'

/** @param gib size of the design. */
export function rootDiskEdits(gib: number, config: VmConfig): Edit[] {
  const found = gibOf(String(config[ROOT_DISK] ?? ''))
  if (found === undefined || found >= gib) return []
  return edited('disk', [gibText(found), gibText(gib)], null, {
    option: 'disk',
    grow: { slot: ROOT_DISK, gib },
  })
}

export function gibText(gib: number): string {
  return `${Number(gib.toFixed(2))} GiB`
}
