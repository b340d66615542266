/** The identity of a VM: MAC addresses, SMBIOS UUID and generation id. */

import { randomBytes, randomUUID } from 'node:crypto'
import type { VmConfig } from '../core/state.mts'
import { formatDrive, parseProperties } from './drive.mts'
import { isNicModel } from './options.mts'

/** Prefix of Proxmox Server Solutions. */
const MAC_PREFIX = 'BC:24:11'

function randomMac(): string {
  return [MAC_PREFIX, ...[...randomBytes(3)].map(byte => byte.toString(16).padStart(2, '0'))]
    .join(':')
    .toUpperCase()
}

interface Nic {
  model: string
  /** Upper case with colons; undefined if the client gave none. */
  mac: string | undefined
  options: Record<string, string>
}

/** Parses a network card in both forms: `virtio=MAC,bridge=vmbr0` and `model=virtio,macaddr=MAC,...`. */
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

/** Lists the network cards of a config. */
export function nicsOf(config: VmConfig): [key: string, nic: Nic][] {
  return Object.entries(config)
    .filter(([key]) => isNic(key))
    .map(([key, value]) => [key, parseNic(value)])
}

/** Gives a MAC address to each network card that has none. */
export function addMacs(config: VmConfig): VmConfig {
  return mapNics(config, nic => ({ ...nic, mac: nic.mac ?? randomMac() }))
}

/** Returns the options that Proxmox adds to every new VM. */
export function newIdentity(): VmConfig {
  return {
    smbios1: `uuid=${randomUUID()}`,
    vmgenid: randomUUID(),
  }
}

/** Returns the config of a clone, with new MAC addresses, UUID and generation id. */
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
