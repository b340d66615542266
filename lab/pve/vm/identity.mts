/** The identity of a VM: MAC addresses, SMBIOS UUID and generation id. */

import { randomBytes, randomUUID } from 'node:crypto'
import { parsePropertyString, printPropertyString } from '../core/property-string.mts'
import type { VmConfig } from '../core/state.mts'
import { nicFormat } from './device-formats.mts'
import { smbiosFormat } from './option-formats.mts'

/** Prefix of Proxmox Server Solutions. */
const MAC_PREFIX = 'BC:24:11'

function randomMac(): string {
  return [MAC_PREFIX, ...[...randomBytes(3)].map(byte => byte.toString(16).padStart(2, '0'))]
    .join(':')
    .toUpperCase()
}

/** A network card: the parts of its text by key, such as `model`, `macaddr` and `bridge`. */
type Nic = Record<string, string>

function isNic(key: string): boolean {
  return /^net\d+$/.test(key)
}

/** Writes a network card with `macaddr`, or with a new MAC address if it has none. */
function withMac(value: string, macaddr?: string): string {
  const nic = parsePropertyString(nicFormat, value)
  return printPropertyString(nicFormat, { ...nic, macaddr: macaddr ?? nic['macaddr'] ?? randomMac() })
}

function mapNics(config: VmConfig, change: (value: string) => string): VmConfig {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, isNic(key) ? change(value) : value]),
  )
}

/** Lists the network cards of a config. */
export function nicsOf(config: VmConfig): [key: string, nic: Nic][] {
  return Object.entries(config)
    .filter(([key]) => isNic(key))
    .map(([key, value]) => [key, parsePropertyString(nicFormat, value)])
}

/** Writes each network card as Proxmox does, with a MAC address for those that have none. */
export function addMacs(config: VmConfig): VmConfig {
  return mapNics(config, value => withMac(value))
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
  const smbios = parsePropertyString(smbiosFormat, config['smbios1'] ?? '')
  return {
    ...mapNics(config, value => withMac(value, randomMac())),
    smbios1: printPropertyString(smbiosFormat, { ...smbios, uuid: randomUUID() }),
    ...(config['vmgenid'] === undefined ? {} : { vmgenid: randomUUID() }),
  }
}
