/** PCI and USB devices of a node that a VM has by a resource mapping. A device is known by its mapping. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { propertiesOf, withProperty } from '../../proxmox/property-string.mts'
import type { MappedDevice, VmDesign } from '../../registry/entry.mts'
import { type Edit, edited as editedBy, NONE } from './edit.mts'

/** The part of a design that is about devices. */
export type DevicesOfDesign = Partial<Pick<VmDesign, 'devices' | 'ownDevices'>>

/** Keys of Proxmox's config, and how many there are. */
const SLOTS = { pci: { key: 'hostpci', count: 16 }, usb: { key: 'usb', count: 14 } } as const

const edited: typeof editedBy = (what, texts, cost, by) =>
  editedBy(what, texts, cost, { option: 'devices', ...by })

type Kind = keyof typeof SLOTS

/** Names a device: `pci gpu`. */
export function deviceName({ pci, usb }: MappedDevice): string {
  return pci === undefined ? `usb ${usb}` : `pci ${pci}`
}

/** Lists the devices that are missing, and those that nobody wants any more. */
export function deviceEdits(design: DevicesOfDesign, config: VmConfig): Edit[] {
  const { devices = [], ownDevices = [] } = design
  const taken = new Set(Object.keys(config))
  const present = mappedIn(config)
  const wanted = devices.flatMap(device => {
    const name = deviceName(device)
    const slot = present.get(name)
    return slot === undefined
      ? addEdits(name, device, taken)
      : pcieEdits(name, device, slot, String(config[slot]))
  })
  const names = devices.map(deviceName)
  const former = ownDevices.flatMap((name): Edit[] => {
    const slot = present.get(name)
    if (slot === undefined || names.includes(name)) return []
    // A running machine keeps its PCI devices.
    const off = name.startsWith('pci ') && { off: true as const }
    return edited(`device ${name}`, [slot, NONE], 'remove', { remove: [slot], ...off })
  })
  return [...wanted, ...former]
}

function addEdits(name: string, { pci, usb, pcie }: MappedDevice, taken: Set<string>): Edit[] {
  const kind: Kind = pci === undefined ? 'usb' : 'pci'
  const { key, count } = SLOTS[kind]
  const slot = Array.from({ length: count }, (_, index) => `${key}${index}`).find(one => !taken.has(one))!
  taken.add(slot)
  const set = { [slot]: `mapping=${pci ?? usb}${pcie === undefined ? '' : `,pcie=${Number(pcie)}`}` }
  return edited(`device ${name}`, [NONE, slot], kind === 'pci' ? 'reboot' : null, { set })
}

function pcieEdits(name: string, { pcie }: MappedDevice, slot: string, text: string): Edit[] {
  if (pcie === undefined) return []
  const [from, to] = [propertiesOf(text, 'host').get('pcie') ?? '0', String(Number(pcie))]
  return edited(`device ${name} pcie`, [from, to], 'reboot', {
    set: { [slot]: withProperty(text, 'pcie', to) },
  })
}

/** Slots of the mapped devices by their names. */
function mappedIn(config: VmConfig): Map<string, string> {
  const slots = Object.keys(config).filter(key => /^(hostpci|usb)\d+$/.test(key))
  return new Map(
    slots.flatMap(slot => {
      const mapping = propertiesOf(String(config[slot]), 'host').get('mapping')
      const kind: Kind = slot.startsWith('usb') ? 'usb' : 'pci'
      return mapping === undefined ? [] : [[`${kind} ${mapping}`, slot] as [string, string]]
    }),
  )
}

/** Slots of the devices that the design has, or had. */
export function deviceSlots(
  { devices = [], ownDevices = [] }: DevicesOfDesign,
  config: VmConfig,
): Set<string> {
  const present = mappedIn(config)
  return new Set([...devices.map(deviceName), ...ownDevices].flatMap(name => present.get(name) ?? []))
}

/** The design with the names of the devices that the VM got. */
export function withDevicesIn<D extends DevicesOfDesign>(design: D, config: VmConfig): D {
  const { devices = [], ownDevices } = design
  if (devices.length === 0 && ownDevices === undefined) return design
  const present = mappedIn(config)
  const names = [...new Set([...devices.map(deviceName), ...(ownDevices ?? [])])]
  return { ...design, ownDevices: names.filter(name => present.has(name)) }
}
