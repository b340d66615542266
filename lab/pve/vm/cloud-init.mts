/** Generates the cloud-init drive from a VM's config, as PVE/QemuServer/Cloudinit.pm does. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import type { CloudInitDrive } from '../../guests/driver.mts'
import { splitList } from '../core/parameters.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import { requireFile } from '../storage/files.mts'
import { ipConfigFormat } from './device-formats.mts'
import { drivesOf, isCloudInit } from './drive.mts'
import { nicsOf } from './identity.mts'
import { ciCustomFormat } from './option-formats.mts'
import { isCloudInitOption } from './options.mts'

/** Returns host name and FQDN. A name with dots is an FQDN. Others get the first search domain. */
function hostnames(config: VmConfig, vmid: number): { hostname: string; fqdn?: string } {
  const name = config['name'] ?? `VM${vmid}`
  const hostname = name.split('.')[0] ?? name
  if (name.includes('.')) return { hostname, fqdn: name }
  const domain = splitList(config['searchdomain'])[0]
  return domain === undefined ? { hostname } : { hostname, fqdn: `${hostname}.${domain}` }
}

function sshKeysOf(config: VmConfig): string[] {
  return decodeURIComponent(config['sshkeys'] ?? '')
    .split('\n')
    .map(key => key.trim())
    .filter(Boolean)
}

function userData(config: VmConfig, vmid: number): string {
  const { hostname, fqdn } = hostnames(config, vmid)
  const user = config['ciuser']
  const keys = sshKeysOf(config)
  const document = {
    hostname,
    manage_etc_hosts: true,
    ...(fqdn !== undefined && { fqdn }),
    ...(user !== undefined && { user }),
    ...(user === 'root' && { disable_root: false }),
    ...(config['cipassword'] !== undefined && { password: config['cipassword'] }),
    ...(keys.length > 0 && { ssh_authorized_keys: keys }),
    chpasswd: { expire: false },
    ...(user !== 'root' && { users: ['default'] }),
    // The default of `ciupgrade` is 1: the first boot upgrades packages.
    ...(config['ciupgrade'] !== '0' && { package_upgrade: true }),
  }
  return `#cloud-config\n${stringify(document, { lineWidth: 0 })}`
}

function netmask(prefixLength: number): string {
  const bits = 2 ** 32 - 2 ** (32 - prefixLength)
  return [24, 16, 8, 0].map(shift => Math.floor(bits / 2 ** shift) % 256).join('.')
}

function subnets4({ ip, gw }: Record<string, string>): unknown[] {
  if (ip === undefined) return []
  if (ip === 'dhcp') return [{ type: 'dhcp4' }]
  const [address, length] = ip.split('/')
  return [{ type: 'static', address, netmask: netmask(Number(length)), ...(gw && { gateway: gw }) }]
}

function subnets6({ ip6, gw6 }: Record<string, string>): unknown[] {
  if (ip6 === undefined) return []
  if (ip6 === 'dhcp') return [{ type: 'dhcp6' }]
  if (ip6 === 'auto') return [{ type: 'ipv6_slaac' }]
  return [{ type: 'static6', address: ip6, ...(gw6 && { gateway: gw6 }) }]
}

function networkConfig(config: VmConfig): string {
  const cards = nicsOf(config).flatMap(([key, nic]) => {
    const index = key.slice('net'.length)
    const ip = config[`ipconfig${index}`]
    if (ip === undefined) return []
    const parts = parsePropertyString(ipConfigFormat, ip)
    const subnets = [...subnets4(parts), ...subnets6(parts)]
    return [{ type: 'physical', name: `eth${index}`, mac_address: nic['macaddr']?.toLowerCase(), subnets }]
  })
  const address = splitList(config['nameserver'])
  const search = splitList(config['searchdomain'])
  const resolver = {
    type: 'nameserver',
    ...(address.length > 0 && { address }),
    ...(search.length > 0 && { search }),
  }
  const hasResolver = address.length + search.length > 0
  return stringify({ version: 1, config: [...cards, ...(hasResolver ? [resolver] : [])] }, { lineWidth: 0 })
}

/** Returns meta-data. The instance id changes with user-data and network-config, so that cloud-init runs again. */
function metaData(user: string, network: string): string {
  return `instance-id: ${createHash('sha1').update(user).update(network).digest('hex')}\n`
}

async function readSnippet(pve: Pve, volid: string): Promise<string> {
  return readFile((await requireFile(pve, volid)).path, 'utf8')
}

export function hasCloudInitDrive(config: VmConfig): boolean {
  return drivesOf(config).some(([, drive]) => isCloudInit(drive))
}

/** Generates the drive's files. `cicustom` replaces single files by snippets. */
export async function generateCloudInit(pve: Pve, vmid: number, config: VmConfig): Promise<CloudInitDrive> {
  const custom = parsePropertyString(ciCustomFormat, config['cicustom'] ?? '')
  const pick = async (name: string, generate: () => string): Promise<string> =>
    custom[name] === undefined ? generate() : readSnippet(pve, custom[name])
  const user = await pick('user', () => userData(config, vmid))
  const network = await pick('network', () => networkConfig(config))
  return {
    userData: user,
    networkConfig: network,
    metaData: await pick('meta', () => metaData(user, network)),
  }
}

/** Selects the options that decide the drive's content. */
export function cloudInitOptionsOf(config: VmConfig): VmConfig {
  return Object.fromEntries(
    Object.entries(config).filter(
      ([key]) => key === 'name' || isCloudInitOption(key) || /^net\d+$/.test(key),
    ),
  )
}
