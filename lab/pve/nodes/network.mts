/** Interfaces of a node, as in /etc/network/interfaces. A change waits for a reload of the network (PVE/INotify.pm). */

import { byName } from '../core/by-name.mts'
import { parameterError } from '../core/errors.mts'
import { splitList } from '../core/parameters.mts'
import type { Pve } from '../core/pve.mts'
import type { NetworkInterface } from '../core/state.mts'
import { filesOf } from './files.mts'

type Interfaces = Record<string, NetworkInterface>

/** The bridge of the lab's guests. */
const BRIDGE: NetworkInterface = {
  type: 'bridge',
  method: 'static',
  method6: 'manual',
  address: '192.168.122.1',
  netmask: '24',
  cidr: '192.168.122.1/24',
  bridge_ports: '',
  bridge_fd: '0',
  bridge_stp: 'off',
  families: ['inet'],
  active: 1,
  autostart: 1,
  priority: 3,
}

/** Keys that come from the kernel, not from the file. */
const OF_KERNEL = new Set(['active', 'exists', 'priority'])

function networkOf(pve: Pve): NonNullable<ReturnType<typeof filesOf>['network']> {
  const files = filesOf(pve)
  files.network ??= { active: byName({ vmbr0: { ...BRIDGE } }) }
  return files.network
}

/** Returns the interfaces as the file has them, with those that are not active yet. */
export function interfacesOf(pve: Pve): Interfaces {
  const { active, next } = networkOf(pve)
  return next ?? active
}

/** Writes an interface as the file would: lines that a difference shows. */
function linesOf([name, iface]: [string, NetworkInterface]): string[] {
  const options = Object.entries(iface).filter(([key]) => !OF_KERNEL.has(key))
  return [`iface ${name}`, ...options.map(([key, value]) => `\t${key} ${[value].flat().join(' ')}`)]
}

/** Shows what a reload would change, a line for each change; undefined if nothing waits. */
export function changesOf(pve: Pve): string | undefined {
  const { active, next } = networkOf(pve)
  if (!next) return undefined
  const [before, after] = [active, next].map(all => Object.entries(all).flatMap(linesOf)) as [
    string[],
    string[],
  ]
  const removed = before.filter(line => !after.includes(line)).map(line => `-${line}`)
  const added = after.filter(line => !before.includes(line)).map(line => `+${line}`)
  return [...removed, ...added].map(line => `${line}\n`).join('')
}

/** Splits an address with a prefix into the two keys of the file. */
function withAddress(given: NetworkInterface, suffix: '' | '6'): NetworkInterface {
  const [cidr, address, netmask] = [`cidr${suffix}`, `address${suffix}`, `netmask${suffix}`]
  const { [cidr!]: both, ...rest } = given
  if (!both) return given
  for (const key of [address!, netmask!])
    if (rest[key]) throw parameterError({ [key]: `${key} conflicts with ${cidr}` })
  const [host, length] = String(both).split('/')
  return { ...rest, [address!]: host!, [netmask!]: length! }
}

function requireUnique(all: Interfaces, name: string, given: NetworkInterface): void {
  const others = Object.entries(all).filter(([other]) => other !== name)
  for (const [key, what] of [
    ['gateway', 'Default gateway'],
    ['gateway6', 'Default ipv6 gateway'],
  ] as const) {
    const other = given[key] ? others.find(([, iface]) => iface[key]) : undefined
    if (other) throw parameterError({ [key]: `${what} already exists on interface '${other[0]}'.` })
  }
}

const PORT_KEYS = ['bridge_ports', 'ovs_ports', 'slaves', 'ovs_bonds'] as const

function portsOf(iface: NetworkInterface): string[] {
  return PORT_KEYS.flatMap(key => splitList(String(iface[key] ?? '')))
}

function requireFreePorts(all: Interfaces, name: string, given: NetworkInterface): void {
  const ports = portsOf(given)
  const key = PORT_KEYS.find(each => given[each])
  for (const [other, iface] of Object.entries(all)) {
    const taken = other === name ? undefined : portsOf(iface).find(port => ports.includes(port))
    if (taken !== undefined)
      throw parameterError({ [key!]: `${taken} is already used on interface '${other}'.` })
  }
}

/** Completes an interface with what the file's reader finds in its name and type. */
function completed(name: string, iface: NetworkInterface): NetworkInterface {
  const [, rawDevice, tagged] = /^(.+)\.(\d+)$/.exec(name) ?? []
  const named = /^vlan(\d+)$/.exec(name)?.[1]
  const vlan = iface['type'] === 'vlan' ? { 'vlan-id': tagged ?? named, 'vlan-raw-device': rawDevice } : {}
  const bridge = iface['type'] === 'bridge' ? { bridge_ports: '', bridge_stp: 'off', bridge_fd: '0' } : {}
  const bond = iface['type'] === 'bond' ? { slaves: '', bond_mode: 'balance-rr', bond_miimon: '100' } : {}
  const known = Object.entries({ ...bridge, ...bond, ...vlan }).filter(([, value]) => value !== undefined)
  const whole: NetworkInterface = { ...(Object.fromEntries(known) as NetworkInterface), ...iface }
  for (const suffix of ['', '6'])
    if (whole[`address${suffix}`])
      whole[`cidr${suffix}`] = `${whole[`address${suffix}`]}/${whole[`netmask${suffix}`]}`
    else delete whole[`cidr${suffix}`]
  for (const key of ['comments', 'comments6'])
    if (typeof whole[key] === 'string' && whole[key] !== '') whole[key] = `${whole[key].replace(/\n$/, '')}\n`
  for (const [key, value] of Object.entries(whole))
    if (value === '' && key !== 'bridge_ports') delete whole[key]
  for (const key of ['mtu', 'netmask6', 'vlan-id'])
    if (whole[key] !== undefined) whole[key] = String(whole[key])
  return whole
}

function withMethods(given: NetworkInterface): NetworkInterface {
  const families = [...(given['address'] ? ['inet'] : []), ...(given['address6'] ? ['inet6'] : [])]
  return {
    ...given,
    families: families.length > 0 ? families : ['inet'],
    method: given['address'] ? 'static' : 'manual',
    method6: given['address6'] ? 'static' : 'manual',
  }
}

function prepared(all: Interfaces, name: string, given: NetworkInterface): NetworkInterface {
  requireUnique(all, name, given)
  requireFreePorts(all, name, given)
  const addressed = withMethods(withAddress(withAddress(given, ''), '6'))
  const vids = addressed['bridge_vids']
  return vids === undefined ? addressed : { ...addressed, bridge_vids: splitList(String(vids)).join(' ') }
}

/** @throws {ApiError} 400 if the name is taken, or an address or port is in use. */
export function addInterface(pve: Pve, name: string, given: NetworkInterface): void {
  const all = interfacesOf(pve)
  if (all[name]) throw parameterError({ iface: 'interface already exists' })
  networkOf(pve).next = byName(all, { [name]: completed(name, prepared(all, name, given)) })
}

export function requireInterface(pve: Pve, name: string): NetworkInterface {
  const iface = interfacesOf(pve)[name]
  if (!iface) throw parameterError({ iface: 'interface does not exist' })
  return iface
}

export function changeInterface(pve: Pve, name: string, given: NetworkInterface, remove: string[]): void {
  const all = interfacesOf(pve)
  const before = { ...requireInterface(pve, name) }
  for (const key of remove) delete before[key]
  for (const suffix of ['', '6'])
    if (remove.includes(`cidr${suffix}`)) {
      delete before[`address${suffix}`]
      delete before[`netmask${suffix}`]
    }
  const changed = completed(name, { ...before, ...prepared(all, name, given) })
  networkOf(pve).next = byName(all, { [name]: changed })
}

export function removeInterface(pve: Pve, name: string): void {
  requireInterface(pve, name)
  const { [name]: _, ...left } = interfacesOf(pve)
  networkOf(pve).next = byName(left)
}

/** Forgets all changes that wait. */
export function revertInterfaces(pve: Pve): void {
  delete networkOf(pve).next
}

/** Makes what waits active. */
export function reloadInterfaces(pve: Pve): void {
  const network = networkOf(pve)
  if (!network.next) return
  const active = Object.entries(network.next).map(([name, iface]) => [
    name,
    { ...iface, active: 1, exists: 1 },
  ])
  network.active = byName(Object.fromEntries(active) as Interfaces)
  delete network.next
}
