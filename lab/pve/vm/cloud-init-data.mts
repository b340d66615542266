/** Files of the cloud-init drive, line by line as PVE/QemuServer/Cloudinit.pm writes them. */

import { createHash } from 'node:crypto'
import { parsePropertyString } from '../core/property-string.mts'
import type { VmConfig } from '../core/state.mts'
import { ipConfigFormat } from './device-formats.mts'
import { nicsOf } from './identity.mts'
import { isWindows } from './machine.mts'

function lines(...texts: (string | false)[]): string {
  return texts
    .filter(text => text !== false)
    .map(text => `${text}\n`)
    .join('')
}

/** Returns host name and FQDN. A name with dots is an FQDN. Others get the search domain. */
function hostnames(config: VmConfig, vmid: number): { hostname: string; fqdn: string } {
  const name = config['name'] ?? `VM${vmid}`
  const hostname = name.replace(/\..*$/s, '')
  if (name.includes('.') || !config['searchdomain']) return { hostname, fqdn: name }
  return { hostname, fqdn: `${hostname}.${config['searchdomain']}` }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function sshKeysOf(config: VmConfig): string[] {
  return decode(config['sshkeys'] ?? '')
    .split('\n')
    .filter(key => key.trim() !== '')
}

/** @param password text in place of the hash; undefined: the hash itself. */
export function userData(config: VmConfig, vmid: number, password = config['cipassword']): string {
  const { hostname, fqdn } = hostnames(config, vmid)
  const { ciuser: user, cipassword, sshkeys, ciupgrade } = config
  return lines(
    '#cloud-config',
    `hostname: ${hostname}`,
    'manage_etc_hosts: true',
    `fqdn: ${fqdn}`,
    user !== undefined && `user: ${user}`,
    user === 'root' && 'disable_root: False',
    cipassword !== undefined && `password: ${password}`,
    ...(sshkeys === undefined ? [] : ['ssh_authorized_keys:', ...sshKeysOf(config).map(key => `  - ${key}`)]),
    'chpasswd:',
    '  expire: False',
    ...(user === 'root' ? [] : ['users:', '  - default']),
    // The default of `ciupgrade` is 1: the first boot upgrades packages.
    ciupgrade !== '0' && 'package_upgrade: true',
  )
}

function netmask(prefixLength: number): string {
  const bits = 2 ** 32 - 2 ** (32 - prefixLength)
  return [24, 16, 8, 0].map(shift => Math.floor(bits / 2 ** shift) % 256).join('.')
}

interface Card {
  /** `eth0` of `net0`. */
  name: string
  mac: string
  ip: string | undefined
  gw: string | undefined
  ip6: string | undefined
  gw6: string | undefined
}

/** Returns the addresses of a card. Without any it asks by DHCP. A gateway beside DHCP makes all of them void. */
function addressesOf(text: string): Pick<Card, 'ip' | 'gw' | 'ip6' | 'gw6'> {
  const { ip, gw, ip6, gw6 } = parsePropertyString(ipConfigFormat, text)
  const isVoid =
    (gw !== undefined && ip === 'dhcp') || (gw6 !== undefined && !/^[0-9a-fA-F:.]+\//.test(ip6 ?? ''))
  const none = { ip: undefined, gw: undefined, ip6: undefined, gw6: undefined }
  if (isVoid) return none
  if (ip === undefined && ip6 === undefined) return { ...none, ip: 'dhcp', ip6: 'dhcp' }
  return { ip, gw, ip6, gw6 }
}

/** Lists the cards with an `ipconfigN`, by the names of their options. */
function cardsOf(config: VmConfig): Card[] {
  return nicsOf(config)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, nic]) => {
      const index = key.slice('net'.length)
      const text = config[`ipconfig${index}`]
      return text === undefined
        ? []
        : [{ name: `eth${index}`, mac: nic['macaddr']!.toLowerCase(), ...addressesOf(text) }]
    })
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter(Boolean)
}

function subnet4({ ip, gw }: Card): string[] {
  if (ip === undefined) return []
  if (ip === 'dhcp') return ['- type: dhcp4']
  const [address, length] = ip.split('/')
  return [
    '- type: static',
    `  address: '${address}'`,
    `  netmask: '${netmask(Number(length))}'`,
    ...(gw === undefined ? [] : [`  gateway: '${gw}'`]),
  ]
}

function subnet6({ ip6, gw6 }: Card): string[] {
  if (ip6 === undefined) return []
  if (ip6 === 'dhcp') return ['- type: dhcp6']
  if (ip6 === 'auto') return ['- type: ipv6_slaac']
  return ['- type: static6', `  address: '${ip6}'`, ...(gw6 === undefined ? [] : [`  gateway: '${gw6}'`])]
}

/** Writes a list of the resolver. The lab's node has no name servers of its own to fall back on. */
function resolverList(name: string, values: string[]): string[] {
  return values.length === 0 ? [] : [`      ${name}:`, ...values.map(value => `      - '${value}'`)]
}

function noCloudNetwork(config: VmConfig): string {
  const cards = cardsOf(config).flatMap(card => [
    '    - type: physical',
    `      name: ${card.name}`,
    `      mac_address: '${card.mac}'`,
    '      subnets:',
    ...[...subnet4(card), ...subnet6(card)].map(line => `      ${line}`),
  ])
  const lists = [
    ...resolverList('address', words(config['nameserver'])),
    ...resolverList('search', words(config['searchdomain'])),
  ]
  const resolver = lists.length === 0 ? [] : ['    - type: nameserver', ...lists]
  return lines('version: 1', 'config:', ...cards, ...resolver)
}

function interface4(name: string, { ip, gw }: Card): string[] {
  if (ip === undefined) return []
  if (ip === 'dhcp') return [`iface ${name} inet dhcp`]
  const [address, length] = ip.split('/')
  return [
    `iface ${name} inet static`,
    `        address ${address}`,
    `        netmask ${netmask(Number(length))}`,
    ...(gw === undefined ? [] : [`        gateway ${gw}`]),
  ]
}

function interface6(name: string, { ip6, gw6 }: Card): string[] {
  if (ip6 === undefined) return []
  if (ip6 === 'dhcp' || ip6 === 'auto') return [`iface ${name} inet6 ${ip6}`]
  const [address, length] = ip6.split('/')
  return [
    `iface ${name} inet6 static`,
    `        address ${address}`,
    `        netmask ${length}`,
    ...(gw6 === undefined ? [] : [`        gateway ${gw6}`]),
  ]
}

/** Writes Debian's `interfaces`, which a config drive has instead of YAML. */
function configDriveNetwork(config: VmConfig): string {
  const servers = words(config['nameserver'])
  const search = words(config['searchdomain'])
  return lines(
    'auto lo',
    'iface lo inet loopback',
    '',
    servers.length > 0 && `        dns_nameservers ${servers.join(' ')}`,
    search.length > 0 && `        dns_search ${search.join(' ')}`,
    ...cardsOf(config).flatMap(card => [
      `auto ${card.name}`,
      ...interface4(card.name, card),
      ...interface6(card.name, card),
    ]),
  )
}

/** Windows reads only a config drive. */
function isNoCloud(config: VmConfig): boolean {
  return (config['citype'] ?? (isWindows(config) ? 'configdrive2' : 'nocloud')) === 'nocloud'
}

export function networkData(config: VmConfig): string {
  return isNoCloud(config) ? noCloudNetwork(config) : configDriveNetwork(config)
}

/** Writes the meta-data. The instance id changes with user-data and network, so that cloud-init runs again. */
export function metaData(config: VmConfig, user: string, network: string): string {
  const id = createHash('sha1').update(user).update(network).digest('hex')
  return isNoCloud(config)
    ? `instance-id: ${id}\n`
    : lines('{', `     "uuid": "${id}",`, '     "network_config": { "content_path": "/content/0000" }', '}')
}
