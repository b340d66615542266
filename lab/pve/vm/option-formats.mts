/** The parts of the texts of other options: agent, boot order, SMBIOS, files of cloud-init (PVE/QemuServer.pm). */

import { flag, optional } from '../core/parameters.mts'
import type { Property, PropertyFormat, Verifier } from '../core/property.mts'
import { isDriveSlot, isFirmwareSlot, volumeId } from './drive-formats.mts'

const optionalFlag = optional(flag)

export const agentFormat: PropertyFormat = {
  properties: {
    enabled: { ...flag, defaultKey: true },
    fstrim_cloned_disks: optionalFlag,
    'freeze-fs': optionalFlag,
    'freeze-fs-on-backup': { ...flag, alias: 'freeze-fs' },
    'guest-fsfreeze': { ...flag, alias: 'freeze-fs' },
    type: optional({ type: 'string', enum: ['virtio', 'isa'] }),
  },
}

/** Devices other than drives that a VM can start from, with their number. */
const BOOT_DEVICES: Record<string, number> = { net: 32, usb: 14, hostpci: 16 }

function isBootDevice(device: string): boolean {
  if (isDriveSlot(device)) return !isFirmwareSlot(device)
  const [, kind, index] = /^(net|usb|hostpci)(0|[1-9]\d*)$/.exec(device) ?? []
  return kind !== undefined && Number(index) < BOOT_DEVICES[kind]!
}

const bootOrder: Verifier = value => {
  const unknown = value.split(/[,;\s]+/).find(device => device !== '' && !isBootDevice(device))
  return unknown === undefined ? undefined : `invalid boot device '${unknown}'`
}

export const bootFormat: PropertyFormat = {
  properties: {
    legacy: optional({ type: 'string', pattern: /^[acdn]{1,4}$/, defaultKey: true }),
    order: optional({ type: 'string', format: bootOrder }),
  },
}

export const bootDisk: Verifier = value => (isDriveSlot(value) ? undefined : `invalid boot disk '${value}'`)

const snippet = optional({ type: 'string', format: volumeId })

/** Files that replace generated ones of the cloud-init drive. */
export const ciCustomFormat: PropertyFormat = {
  properties: { meta: snippet, network: snippet, user: snippet, vendor: snippet },
}

const base64: Property = optional({ type: 'string', pattern: /^[A-Za-z0-9+/]+={0,2}$/ })

const UUID = /^[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}$/

export const smbiosFormat: PropertyFormat = {
  properties: {
    uuid: optional({ type: 'string', pattern: UUID }),
    version: base64,
    serial: base64,
    manufacturer: base64,
    product: base64,
    sku: base64,
    family: base64,
    base64: optionalFlag,
  },
}

/** Checks one feature of `hotplug`. */
export const hotplug: Verifier = value => {
  if (value === '0' || value === '1') return undefined
  const features = value.split(/[,;\s]+/).filter(Boolean)
  const unknown = features.find(each => !/^(network|disk|cpu|memory|usb|cloudinit)$/.test(each))
  return unknown === undefined ? undefined : `invalid hotplug feature '${unknown}'`
}
