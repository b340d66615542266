/** Notes of a VM in Proxmox: our lines, with what others wrote around them. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { notesWith } from '../../registry/identity.mts'
import { type Edit, edited } from './edit.mts'

export function noteEdits(entry: Entry, config: VmConfig): Edit[] {
  const present = String(config['description'] ?? '')
    .replaceAll('\r\n', '\n')
    .trim()
  const wanted = notesWith(entry, present)
  return edited('notes', [present, wanted], null, { option: 'notes', set: { description: wanted } }).map(
    edit => ({
      ...edit,
      change: { ...edit.change, from: shortened(present, wanted), to: shortened(wanted, present) },
    }),
  )
}

/** The first line that the other text does not have. */
function shortened(text: string, other: string): string {
  const others = new Set(other.split('\n'))
  const line = text.split('\n').find(one => !others.has(one) && one.trim() !== '') ?? ''
  return line === '' ? 'without it' : `"${line.length > 40 ? `${line.slice(0, 40)}...` : line}"`
}
