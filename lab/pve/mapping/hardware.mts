/** PCI and USB devices of a node: those of an ordinary virtual machine, in which many a Proxmox is tried. */

interface PciDevice {
  id: string
  /** Class, vendor and device in hex: `0x030000`. */
  class: string
  vendor: string
  device: string
  vendor_name: string
  device_name: string
  subsystem_vendor: string
  subsystem_device: string
  iommugroup: number
}

interface UsbDevice {
  busnum: number
  devnum: number
  level: number
  port: number
  usbpath: string
  vendid: string
  prodid: string
  manufacturer: string
  product: string
  speed: string
  class: number
}

const QEMU = { subsystem_vendor: '0x1af4', subsystem_device: '0x1100', iommugroup: -1 }

export const PCI_DEVICES: readonly PciDevice[] = [
  {
    ...QEMU,
    id: '0000:00:00.0',
    class: '0x060000',
    vendor: '0x8086',
    device: '0x29c0',
    vendor_name: 'Intel Corporation',
    device_name: '82G33/G31/P35/P31 Express DRAM Controller',
  },
  {
    ...QEMU,
    id: '0000:00:01.0',
    class: '0x030000',
    vendor: '0x1234',
    device: '0x1111',
    vendor_name: 'QEMU',
    device_name: 'Standard VGA',
  },
  {
    ...QEMU,
    id: '0000:01:00.0',
    class: '0x020000',
    vendor: '0x1af4',
    device: '0x1041',
    vendor_name: 'Red Hat, Inc.',
    device_name: 'Virtio 1.0 network device',
  },
]

export const USB_DEVICES: readonly UsbDevice[] = [
  {
    busnum: 1,
    devnum: 2,
    level: 1,
    port: 0,
    usbpath: '1',
    vendid: '0627',
    prodid: '0001',
    manufacturer: 'QEMU',
    product: 'QEMU USB Tablet',
    speed: '480',
    class: 0,
  },
]
