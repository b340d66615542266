/** Plans of entries for VMs that this site has in Proxmox and no registry knows. Pure. */
import { contains, formatAddress, parseAddress } from '../../config/addresses.mts'
import type { OwnSshKey } from '../../config/own-ssh-key.mts'
import type { Pool, PoolConfig } from '../../config/pools.mts'
import type { VmDefaults } from '../../config/vm-defaults.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { gibOf, propertiesOf, storageOf } from '../../proxmox/property-string.mts'
import { tagsIn } from '../../proxmox/tags.mts'
import { expiryAfter, expiryDay } from '../../registry/due.mts'
import type { AccessDesign, CardAddress, Entry, VmDesign } from '../../registry/entry.mts'
import { idInMark, purposeIn } from '../../registry/identity.mts'
import { cardAddressesIn } from '../look/config-addresses.mts'
import { optionIn } from '../shape/options.mts'
import { decidedAttributes, type VmWishes, walletTag } from './design.mts'

/** A VM in Proxmox with the tag of the site. */
export interface SiteVm {
  vmid: number
  node: string
  status: string
  config: VmConfig
  /** Addresses that its guest agent reports, without prefix length. */
  addresses: string[]
}

/** Token of a VM, as the chain has it. */
export interface ReadToken {
  id: string
  owner: string
  /** ISO 8601; null: it never expires. */
  expiresAt: string | null
  access: AccessDesign
}

/** What a person decides, and the config of the site. */
export interface Adopting {
  wishes: VmWishes
  /** Undefined for VMs whose wallet nobody named. */
  token: ReadToken | undefined
  pools: PoolConfig
  defaults: VmDefaults
  /** Key of the person who adopts; undefined if there is none. */
  ownSshKey: OwnSshKey | undefined
  now: Date
}

export interface Adoption {
  vmid: number
  /** Undefined if it cannot be adopted. */
  entry: Entry | undefined
  /** Why it cannot be adopted, a phrase each. */
  faults: string[]
  /** What nobody can read from Proxmox, and is assumed, a phrase each. */
  assumed: string[]
}

/** Plans the entry of a VM by its notes and its config. */
export function planAdoption(vm: SiteVm, adopting: Adopting): Adoption {
  const { vmid, config } = vm
  const name = String(config['name'] ?? '')
  const id = idInMark(String(config['description'] ?? ''))
  const address = addressOf(vm, adopting)
  const pool = address === undefined ? undefined : poolOf(address, adopting.pools)
  const faults = [
    id === undefined ? 'its notes have no "Entry ID.": no registry of proxmint made it' : '',
    name === '' ? 'it has no name' : '',
    address === undefined
      ? `neither its config nor its guest agent tells its address: zx scripts/vm.mts adopt ${name} --ip ADDRESS`
      : '',
    address !== undefined && pool === undefined
      ? `its address ${address} is in no pool of config/db.yaml`
      : '',
    ownerFault(config, adopting.token) ?? '',
  ].filter(Boolean)
  if (faults.length > 0) return { vmid, entry: undefined, faults, assumed: [] }
  const addresses = furtherIn(config, address!, adopting.pools)
  const identity = { id: id!, name, address: address!, pool: pool!, ...(addresses && { addresses }) }
  const entry = entryOf(vm, identity, adopting)
  return { vmid, entry, faults: [], assumed: assumedOf(entry, adopting) }
}

/**
 * Fills in what nobody knew of a VM when it was adopted: family, and owner with token, access and expiry. What is known of
 * its design stays: the config may have changed since.
 * @param planned entry of the same VM as it would be adopted now, with the node that it is on.
 */
export function completed(entry: Entry, planned: Entry): Entry {
  if (!wasAdopted(entry) || planned.id !== entry.id) return entry
  const known = { ...entry, node: planned.node, template: entry.template ?? planned.template }
  if (entry.token !== null || planned.token === null) return known
  const { owner, token, expiresAt } = planned
  const design = entry.design && { ...entry.design, access: planned.design!.access }
  return { ...known, owner, token, expiresAt, design: design ?? planned.design }
}

export function wasAdopted({ history }: Entry): boolean {
  return history[0]?.what === 'adopted'
}

type Identity = Pick<Entry, 'id' | 'name' | 'address' | 'addresses'> & { pool: Pool }

function entryOf(vm: SiteVm, { pool, ...identity }: Identity, adopting: Adopting): Entry {
  const { vmid, node, status, config } = vm
  const { wishes, token, pools, now } = adopting
  const at = now.toISOString()
  const days = wishes.expiryDays ?? pools.expiryDays
  const phase = status === 'running' ? 'active' : 'suspended'
  return {
    ...identity,
    ...{ vmid, node, phase, pool: pool.name },
    owner: token?.owner ?? null,
    expiresAt: token === undefined ? expiryAfter(now.getTime(), days) : token.expiresAt,
    template: wishes.template === undefined ? null : { family: wishes.template, version: 'unknown' },
    token: token === undefined ? null : { status: 'minted', id: token.id, transaction: null },
    design: needsToken(config) && token === undefined ? null : designOf(vm, pool, adopting),
    purpose: purposeIn(String(config['description'] ?? '')),
    failure: null,
    createdAt: at,
    // By these words others know that its disk may hold data.
    history: ['adopted', 'created', 'active', ...(phase === 'active' ? [] : [phase])].map(what => ({
      at,
      what,
    })),
  }
}

/** Design of a VM as its config has it. What a config does not tell has the default of config/vm.yaml. */
function designOf({ config }: SiteVm, pool: Pool, adopting: Adopting): VmDesign {
  const { wishes, token, defaults } = adopting
  const key = ownKeyFor(adopting)
  // What it has beside its root disk was not made by this registry, and stays as somebody's.
  const { disks: _, devices: __, resourcePool: ___, ...attributes } = decidedAttributes(wishes, defaults)
  const text = (key: string): string => String(config[key] ?? '')
  const card = propertiesOf(text('net0'), 'model')
  const vlan = card.get('tag')
  return {
    ...attributes,
    template: null,
    storage: storageOf(text('scsi0')),
    cores: Number(config['cores'] ?? 1),
    memory: Number(optionIn(config, 'memory')),
    disk: Math.ceil(gibOf(text('scsi0')) ?? attributes.disk),
    cpuType: optionIn(config, 'cpuType'),
    tags: tagsIn(text('tags')),
    network: {
      ...networkOf(config, pool),
      bridge: card.get('bridge') ?? '',
      vlan: vlan === undefined ? null : Number(vlan),
    },
    cloudInit: {
      ...attributes.cloudInit,
      ...userDataOf(config),
      ...(key && { sshAuthorizedKeys: [key.publicKey] }),
    },
    access: token?.access ?? null,
  }
}

/** The key that `vm create` takes for a VM that no wallet opens, if config/vm.yaml has none. */
function ownKeyFor({ token, defaults, ownSshKey }: Adopting): OwnSshKey | undefined {
  const isNeeded = token === undefined && defaults.cloudInit.sshAuthorizedKeys.length === 0
  return isNeeded ? ownSshKey : undefined
}

/** Address by Proxmox's cloud-init, or else the one of the guest agent that is in a pool. */
function addressOf({ config, addresses }: SiteVm, { wishes, pools }: Adopting): string | undefined {
  const configured = networkIn(config)
  if (configured !== undefined) return configured.address
  return wishes.address ?? addresses.find(address => poolOf(address, pools) !== undefined)
}

/** Further addresses that a pool could give out again; undefined if there are none. */
function furtherIn(config: VmConfig, first: string, pools: PoolConfig): CardAddress[] | undefined {
  const found = cardAddressesIn(config).flatMap(({ card, address, gateway }) => {
    const pool = address === first ? undefined : poolOf(address, pools)
    if (pool === undefined) return []
    return [{ card, pool: pool.name, address, prefix: pool.prefix, gateway, dns: pool.dns }]
  })
  return found.length === 0 ? undefined : found
}

export function poolOf(address: string, { pools }: PoolConfig): Pool | undefined {
  const parsed = parseAddress(address)
  return parsed && Object.values(pools).find(({ range }) => contains(range, parsed))
}

function networkOf(config: VmConfig, pool: Pool): Pick<VmDesign['network'], 'prefix' | 'gateway' | 'dns'> {
  const configured = networkIn(config)
  if (configured === undefined) return { prefix: pool.prefix, gateway: pool.gateway ?? null, dns: pool.dns }
  const { prefix, gateway } = configured
  return {
    prefix: prefix ?? pool.prefix,
    gateway,
    dns: String(config['nameserver'] ?? '')
      .split(/[ ,]+/)
      .filter(Boolean),
  }
}

/** Address that Proxmox's cloud-init gives the VM, without its prefix length; undefined if there is none. */
export function addressIn(config: VmConfig): string | undefined {
  return networkIn(config)?.address
}

/** Address that Proxmox's cloud-init gives the VM; undefined if there is none, or it is `dhcp`. */
function networkIn(
  config: VmConfig,
): { address: string; prefix: number | undefined; gateway: string | null } | undefined {
  const properties = propertiesOf(String(config['ipconfig0'] ?? ''), 'ip')
  for (const [key, gatewayKey] of [['ip', 'gw'] as const, ['ip6', 'gw6'] as const]) {
    const [text = '', prefix] = (properties.get(key) ?? '').split('/')
    const parsed = parseAddress(text)
    if (parsed === undefined) continue
    return {
      address: formatAddress(parsed),
      prefix: prefix === undefined ? undefined : Number(prefix),
      gateway: properties.get(gatewayKey) ?? null,
    }
  }
  return undefined
}

/** How its user-data reaches a VM, by the file that its config names. */
function userDataOf(
  config: VmConfig,
): Pick<VmDesign['cloudInit'], 'delivery' | 'storage' | 'ownFile'> | undefined {
  const texts = Object.values(config).map(String)
  const [, storage, folder, name] =
    texts.map(text => /([\w.-]+):(snippets|iso)\/(proxmint-[\w-]+)\.(?:yaml|iso)/.exec(text)).find(Boolean) ??
    []
  if (storage === undefined) return undefined
  const id = idInMark(String(config['description'] ?? '')) ?? ''
  return {
    delivery: folder === 'iso' ? 'iso' : 'snippet',
    storage,
    ...(name!.endsWith(id) && { ownFile: true as const }),
  }
}

function needsToken(config: VmConfig): boolean {
  return /(^|[;, ])wallet-/.test(String(config['tags'] ?? ''))
}

/** The tag of a VM is a hash of its owner's wallet. */
function ownerFault(config: VmConfig, token: ReadToken | undefined): string | undefined {
  if (token === undefined) return undefined
  const tags = tagsIn(String(config['tags'] ?? ''))
  return tags.includes(walletTag(token.owner))
    ? undefined
    : `its tags are not those of the wallet ${token.owner}`
}

function assumedOf(entry: Entry, adopting: Adopting): string[] {
  const { wishes, token } = adopting
  const key = ownKeyFor(adopting)
  const { design } = entry
  const expiry = `its expiry (${expiryDay(entry)} is taken; --expiry-days, or later \`vm extend\`)`
  if (design === null) {
    return [expiry, 'its token (--owner-wallet and --token-id; without them `apply` and `rebuild` refuse it)']
  }
  const isExpiryKnown = token !== undefined || wishes.expiryDays !== undefined
  const { template } = design.cloudInit
  return [
    isExpiryKnown ? '' : expiry,
    wishes.template === undefined
      ? 'its template family (--template; without it `vm rebuild` refuses it)'
      : '',
    key === undefined ? '' : `its SSH key (${key.file} is taken; ssh_authorized_keys in config/vm.yaml)`,
    wishes.cloudInitTemplate === undefined
      ? `its cloud-init template (${template} is taken; --cloud-init)`
      : '',
  ].filter(Boolean)
}
