/** The keys of a device of a node: `--device pci=gpu` or `--device usb=key`. */
import type { RecordField } from './vm-option.mts'

const mapping = {
  kind: 'text',
  pattern: '^[A-Za-z][A-Za-z0-9_-]*$',
  wording: 'the name of a resource mapping',
} as const

export const DEVICE_FIELDS = {
  pci: { ...mapping, help: 'a resource mapping of PCI devices (Datacenter > Resource Mappings)' },
  usb: { ...mapping, help: 'a resource mapping of USB devices' },
  pcie: { kind: 'toggle', help: 'whether the guest sees a PCI device as PCI Express; machine type q35 only' },
} as const satisfies Readonly<Record<string, RecordField>>
