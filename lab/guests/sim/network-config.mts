/** Translates network-config of cloud-init to steps of the guest's boot scripts. */

import { parse } from 'yaml'
import { type Step, step } from './shell.mts'

export interface Interface {
  /** `eth0`, `eth1`, ... in the order of the VM's network devices. */
  name: string
  /** Address in lower case. */
  mac: string
}

interface NetworkPlan {
  steps: Step[]
  /** Warnings that cloud-init would log. */
  warnings: string[]
}

interface Subnet {
  type?: string
  address?: string
  netmask?: string
  gateway?: string
  dns_nameservers?: string | string[]
  dns_search?: string | string[]
}

interface Version1Entry extends Subnet {
  type?: string
  name?: string
  mac_address?: string
  subnets?: Subnet[]
  search?: string | string[]
}

interface Version2Interface {
  match?: { macaddress?: string; name?: string }
  'set-name'?: string
  dhcp4?: boolean | string
  addresses?: string[]
  gateway4?: string
  gateway6?: string
  routes?: { to?: string; via?: string; 'on-link'?: boolean }[]
  nameservers?: { addresses?: string[]; search?: string[] }
}

interface NetworkConfig {
  version?: number
  config?: Version1Entry[]
  ethernets?: Record<string, Version2Interface>
}

interface Collected extends NetworkPlan {
  nameServers: string[]
  searchDomains: string[]
}

/** Translates a NoCloud `network-config` of version 1 or 2. Without one, every interface uses DHCP. */
export function planNetwork(text: string | undefined, interfaces: Interface[]): NetworkPlan {
  const document = text?.trim()
    ? (parse(text, { version: '1.1' }) as NetworkConfig & { network?: NetworkConfig })
    : undefined
  if (!document) return { steps: interfaces.map(({ name }) => step('interface_dhcp', name)), warnings: [] }
  const config = document.network ?? document
  const plan: Collected = { steps: [], warnings: [], nameServers: [], searchDomains: [] }
  if (config.version === 2) addVersion2(plan, config.ethernets ?? {}, interfaces)
  else addVersion1(plan, config.config ?? [], interfaces)
  if (plan.nameServers.length > 0) {
    plan.steps.push(step('name_servers', plan.searchDomains.join(' '), ...plan.nameServers))
  }
  return plan
}

function addVersion1(plan: Collected, entries: Version1Entry[], interfaces: Interface[]): void {
  for (const entry of entries) {
    if (entry.type === 'nameserver') {
      addNameServers(plan, list(entry.address), list(entry.search))
    } else if (entry.type === 'physical') {
      const name = findInterface(interfaces, entry.mac_address, entry.name)
      if (name) for (const subnet of entry.subnets ?? []) addSubnet(plan, name, subnet)
      else plan.warnings.push(`network-config: no interface ${entry.mac_address ?? entry.name}`)
    } else {
      plan.warnings.push(`network-config: type ${entry.type} is not modelled`)
    }
  }
}

function addSubnet(plan: Collected, name: string, subnet: Subnet): void {
  addNameServers(plan, list(subnet.dns_nameservers), list(subnet.dns_search))
  if (subnet.type === 'dhcp' || subnet.type === 'dhcp4') plan.steps.push(step('interface_dhcp', name))
  else if (/^static6?$/.test(subnet.type ?? '') && subnet.address) {
    plan.steps.push(staticAddress(name, withPrefix(subnet.address, subnet.netmask), subnet.gateway))
  }
}

function addVersion2(
  plan: Collected,
  ethernets: Record<string, Version2Interface>,
  interfaces: Interface[],
): void {
  for (const [id, ethernet] of Object.entries(ethernets)) {
    const matching = matchingInterfaces(interfaces, id, ethernet)
    if (matching.length === 0) plan.warnings.push(`network-config: no interface for ${id}`)
    for (const name of matching) addEthernet(plan, name, ethernet)
    addNameServers(plan, ethernet.nameservers?.addresses ?? [], ethernet.nameservers?.search ?? [])
  }
}

function addEthernet(plan: Collected, name: string, ethernet: Version2Interface): void {
  if (ethernet.dhcp4 === true || ethernet.dhcp4 === 'true') plan.steps.push(step('interface_dhcp', name))
  for (const address of ethernet.addresses ?? []) {
    const { via, onLink } = defaultRoute(ethernet, address.includes(':'))
    plan.steps.push(staticAddress(name, address, via, onLink))
  }
}

/** Default route of the address's family. */
function defaultRoute(
  ethernet: Version2Interface,
  ipv6: boolean,
): { via?: string | undefined; onLink?: boolean } {
  const { gateway4, gateway6, routes = [] } = ethernet
  const route = routes.find(
    ({ to, via }) =>
      via?.includes(':') === ipv6 && ['default', ipv6 ? '::/0' : '0.0.0.0/0'].includes(to ?? ''),
  )
  return { via: (ipv6 ? gateway6 : gateway4) ?? route?.via, onLink: route?.['on-link'] === true }
}

function matchingInterfaces(interfaces: Interface[], id: string, ethernet: Version2Interface): string[] {
  const { macaddress, name } = ethernet.match ?? {}
  // A glob such as `en*` means all wired interfaces, whatever their names are here.
  if (name?.includes('*') && !macaddress) return interfaces.map(({ name }) => name)
  const found = findInterface(interfaces, macaddress, name ?? ethernet['set-name'] ?? id)
  return found ? [found] : []
}

function findInterface(interfaces: Interface[], mac?: string, name?: string): string | undefined {
  const matches = (one: Interface): boolean => (mac ? one.mac === mac.toLowerCase() : one.name === name)
  return interfaces.find(matches)?.name
}

function staticAddress(name: string, address: string, gateway: string | undefined, onLink = false): Step {
  const route = gateway ? [gateway, ...(onLink ? ['onlink'] : [])] : []
  return step('interface_static', name, address, ...route)
}

function withPrefix(address: string, netmask: string | undefined): string {
  if (address.includes('/') || !netmask) return address
  const bits = netmask.split('.').reduce((sum, octet) => sum + ones(Number(octet)), 0)
  return `${address}/${bits}`
}

function ones(octet: number): number {
  return octet.toString(2).replaceAll('0', '').length
}

function addNameServers(plan: Collected, servers: string[], search: string[]): void {
  plan.nameServers.push(...servers.filter(server => !plan.nameServers.includes(server)))
  plan.searchDomains.push(...search.filter(domain => !plan.searchDomains.includes(domain)))
}

function list(value: string | string[] | undefined): string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : value.split(/[\s,]+/).filter(Boolean)
}
