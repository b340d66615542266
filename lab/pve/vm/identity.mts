/** What makes a VM itself: MAC addresses, the SMBIOS uuid and the generation id. */

import { randomBytes, randomUUID } from 'node:crypto'
import type { VmConfig } from '../core/state.mts'
import { formatDrive, parseProperties } from './drive.mts'
import { isNicModel } from './options.mts'

/** Proxmox Server Solutions' own prefix. */
const MAC_PREFIX = 'BC:24:11'

function randomMac(): string {
  return [MAC_PREFIX, ...[...randomBytes(3)].map(byte => byte.toString(16).padStart(2, '0'))]
    .join(':')
    .toUpperCase()
}

export interface Nic {
  model: string
  /** Upper case, colons; undefined until one is given. */
  mac: string | undefined
  options: Record<string, string>
}

/** Reads both ways to write one: `virtio=MAC,bridge=vmbr0` and `model=virtio,macaddr=MAC,...`. */
function parseNic(value: string): Nic {
  const { model: named, macaddr, ...rest } = parseProperties(value, 'model')
  const short = Object.keys(rest).find(isNicModel)
  if (short === undefined) return { model: named ?? 'virtio', mac: macaddr?.toUpperCase(), options: rest }
  const { [short]: mac, ...options } = rest
  return { model: short, mac: mac?.toUpperCase(), options }
}

function formatNic(nic: Nic): string {
  return formatDrive({ file: `${nic.model}=${nic.mac}`, options: nic.options })
}

function isNic(key: string): boolean {
  return /^net\d+$/.test(key)
}

function mapNics(config: VmConfig, change: (nic: Nic) => Nic): VmConfig {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      isNic(key) ? formatNic(change(parseNic(value))) : value,
    ]),
  )
}

/** The config's network cards, by key. */
export function nicsOf(config: VmConfig): [key: string, nic: Nic][] {
  return Object.entries(config)
    .filter(([key]) => isNic(key))
    .map(([key, value]) => [key, parseNic(value)])
}

/** Gives a MAC address to each network card that has none. */
export function addMacs(config: VmConfig): VmConfig {
  return mapNics(config, nic => ({ ...nic, mac: nic.mac ?? randomMac() }))
}

/** Options Proxmox adds to every new VM. */
export function newIdentity(): VmConfig {
  return {
    smbios1: `uuid=${randomUUID()}`,
    vmgenid: randomUUID(),
  }
}

/** The config of a clone: the same machine, but another one on the network and to its guest. */
export function withNewIdentity(config: VmConfig): VmConfig {
  const { uuid: _, ...smbios } = parseProperties(config['smbios1'] ?? 'uuid=', 'uuid')
  const smbiosTexts = Object.entries({ uuid: randomUUID(), ...smbios }).map(
    ([key, value]) => `${key}=${value}`,
  )
  return {
    ...mapNics(config, nic => ({ ...nic, mac: randomMac() })),
    smbios1: smbiosTexts.join(','),
    ...(config['vmgenid'] === undefined ? {} : { vmgenid: randomUUID() }),
  }
}
