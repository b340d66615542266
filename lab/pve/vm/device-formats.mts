/** The parts of the texts of devices: network cards, displays, host devices (PVE/QemuServer and its folder). */

import { bridgeId, configId, ipv4, ipv4Config, ipv6, ipv6Config, macAddress } from '../core/formats.mts'
import { flag, integer, optional } from '../core/parameters.mts'
import type { Property, PropertyFormat } from '../core/property.mts'

const NIC_MODELS = [
  ...['e1000', 'e1000-82540em', 'e1000-82544gc', 'e1000-82545em', 'e1000e', 'i82551', 'i82557b', 'i82559er'],
  ...['ne2k_isa', 'ne2k_pci', 'pcnet', 'rtl8139', 'virtio', 'vmxnet3'],
]

function oneOf(...values: string[]): Property {
  return optional({ type: 'string', enum: values })
}

function matching(pattern: RegExp): Property {
  return optional({ type: 'string', pattern })
}

function range(minimum: number, maximum: number): Property {
  return optional({ ...integer, minimum, maximum })
}

const opt = { flag: optional(flag), integer: optional(integer) } as const
const mapping = optional({ type: 'string', format: configId })

/** `virtio=MAC,bridge=vmbr0`, or the same as `model=virtio,macaddr=MAC,...`. */
export const nicFormat: PropertyFormat = {
  properties: {
    model: { type: 'string', enum: NIC_MODELS, defaultKey: true },
    ...Object.fromEntries(
      NIC_MODELS.map(model => [model, { type: 'string', keyAlias: 'model', alias: 'macaddr' } as const]),
    ),
    macaddr: optional({ type: 'string', format: macAddress }),
    bridge: optional({ type: 'string', format: bridgeId }),
    queues: range(0, 64),
    rate: optional({ type: 'number', minimum: 0 }),
    tag: range(1, 4094),
    trunks: matching(/^\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*$/),
    firewall: opt.flag,
    link_down: opt.flag,
    mtu: range(1, 65_520),
    'host-tunnel': opt.flag,
  },
}

export const ipConfigFormat: PropertyFormat = {
  properties: {
    ip: optional({ type: 'string', format: ipv4Config }),
    gw: optional({ type: 'string', format: ipv4, requires: 'ip' }),
    ip6: optional({ type: 'string', format: ipv6Config }),
    gw6: optional({ type: 'string', format: ipv6, requires: 'ip6' }),
  },
}

const DISPLAYS = [
  ...['cirrus', 'qxl', 'qxl2', 'qxl3', 'qxl4', 'none', 'serial0', 'serial1', 'serial2', 'serial3', 'std'],
  ...['virtio', 'virtio-gl', 'vmware'],
]

export const vgaFormat: PropertyFormat = {
  properties: {
    type: optional({ type: 'string', enum: DISPLAYS, defaultKey: true }),
    memory: range(4, 512),
    clipboard: oneOf('vnc'),
  },
}

export const watchdogFormat: PropertyFormat = {
  properties: {
    model: optional({ type: 'string', enum: ['i6300esb', 'ib700'], defaultKey: true }),
    action: oneOf('reset', 'shutdown', 'poweroff', 'pause', 'debug', 'none'),
  },
}

export const audioFormat: PropertyFormat = {
  properties: {
    device: { type: 'string', enum: ['ich9-intel-hda', 'intel-hda', 'AC97'] },
    driver: oneOf('spice', 'none'),
  },
}

export const spiceFormat: PropertyFormat = {
  properties: { foldersharing: opt.flag, videostreaming: oneOf('off', 'all', 'filter') },
}

export const ivshmemFormat: PropertyFormat = {
  properties: { size: { ...integer, minimum: 1 }, name: matching(/^[a-zA-Z0-9-]+$/) },
}

export const rngFormat: PropertyFormat = {
  properties: {
    source: { type: 'string', enum: ['/dev/urandom', '/dev/random', '/dev/hwrng'], defaultKey: true },
    max_bytes: opt.integer,
    period: opt.integer,
  },
}

const USB_ID = /(?:0x)?[0-9A-Fa-f]{4}:(?:0x)?[0-9A-Fa-f]{4}/.source
const USB_PORT = /\d+-\d+(?:\.\d+)*/.source

export const usbFormat: PropertyFormat = {
  properties: {
    host: { ...matching(new RegExp(`^(?:${USB_ID}|${USB_PORT}|spice)$`, 'i')), defaultKey: true },
    mapping,
    usb3: opt.flag,
  },
}

const PCI_ADDRESS = /(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?/.source
const pciId = matching(/^0x[0-9a-fA-F]{4}$/)

export const hostPciFormat: PropertyFormat = {
  properties: {
    host: { ...matching(new RegExp(`^${PCI_ADDRESS}(;${PCI_ADDRESS})*$`)), defaultKey: true },
    mapping,
    rombar: opt.flag,
    romfile: matching(/^[^,;]+$/),
    pcie: opt.flag,
    'x-vga': opt.flag,
    'legacy-igd': opt.flag,
    mdev: matching(/^[^/.:]+$/),
    'vendor-id': pciId,
    'device-id': pciId,
    'sub-vendor-id': pciId,
    'sub-device-id': pciId,
    driver: oneOf('vfio', 'keep'),
  },
}

export const virtiofsFormat: PropertyFormat = {
  properties: {
    dirid: { type: 'string', format: configId, defaultKey: true },
    cache: oneOf('auto', 'always', 'metadata', 'never'),
    'direct-io': opt.flag,
    'expose-xattr': opt.flag,
    'expose-acl': opt.flag,
  },
}
