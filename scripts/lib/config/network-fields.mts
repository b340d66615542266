/** Keys of one network card of a VM: `--network pool=lan,vlan=20`, and `networks:` in files. */
import type { RecordField } from './vm-option.mts'

const poolName = '^[a-z0-9]+(-[a-z0-9]+)*$'

export const NETWORK_FIELDS = {
  pool: {
    kind: 'text',
    pattern: poolName,
    wording: 'the name of a pool of config/db.yaml',
    help: 'the pool of its address, of IPv4 or of IPv6',
  },
  pool6: {
    kind: 'text',
    pattern: poolName,
    wording: 'the name of a pool of config/db.yaml',
    help: 'the pool of its IPv6 address beside an IPv4 address',
  },
  ip: {
    kind: 'text',
    pattern: '^(dhcp|[0-9.]+)$',
    wording: '`dhcp`, or an IPv4 address of a pool',
    help: 'this very IPv4 address of a pool; or `dhcp`',
  },
  ip6: {
    kind: 'text',
    pattern: '^(dhcp|auto|[0-9A-Fa-f:.]+)$',
    wording: '`dhcp`, `auto`, or an IPv6 address of a pool',
    help: 'this very IPv6 address of a pool; or `dhcp`, or `auto` (by router advertisements)',
  },
  bridge: {
    kind: 'text',
    // As Proxmox has it: `pve-bridge-id`.
    pattern: '^[A-Za-z][A-Za-z0-9_]*([.:-][A-Za-z0-9_]+)*$',
    wording: 'the name of a bridge or of an SDN vnet',
    help: 'its bridge or SDN vnet; left out: that of its pool, with the VLAN of the pool',
  },
  vlan: { kind: 'integer', range: { min: 1, max: 4094 }, help: 'its VLAN' },
  mtu: {
    kind: 'integer',
    range: { min: 1, max: 65_520 },
    help: 'its MTU in bytes; 1: that of the bridge',
  },
  rate: {
    kind: 'number',
    range: { min: 0, max: 100_000 },
    help: 'most that it sends, in MB/s; 0: no limit',
  },
  model: {
    kind: 'text',
    choices: ['virtio', 'e1000', 'e1000e', 'rtl8139', 'vmxnet3'],
    help: 'what the guest sees; a new card is a virtio one',
  },
  mac: {
    kind: 'text',
    pattern: '^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$',
    wording: 'a MAC address of one card: BC:24:11:00:00:01',
    help: 'its MAC address; left out: Proxmox chooses one, which stays',
  },
  firewall: { kind: 'toggle', help: 'whether the firewall of Proxmox filters it' },
  ipfilter: {
    kind: 'toggle',
    help: 'whether that firewall lets only its own addresses out; it needs `firewall`',
  },
} as const satisfies Readonly<Record<string, RecordField>>

/** Lists the keys of a card that no two VMs can share: its MAC address, and a certain address. */
export function uniqueKeysOf(card: { ip?: string; ip6?: string; mac?: string }): string[] {
  const { ip, ip6, mac } = card
  const isCertain = (text: string | undefined): boolean => text !== undefined && !/^(dhcp|auto)$/.test(text)
  return [
    ...(isCertain(ip) ? ['ip'] : []),
    ...(isCertain(ip6) ? ['ip6'] : []),
    ...(mac === undefined ? [] : ['mac']),
  ]
}
