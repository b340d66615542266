/** Settings by which a plan leaves alone what somebody changed in Proxmox. Pure: it reads configs. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { gibOf, propertiesOf, storageOf } from '../../proxmox/property-string.mts'
import { tagsIn } from '../../proxmox/tags.mts'
import { cloudInitSlotOf } from '../../proxmox/vm-devices.mts'
import type { Card, IpConfig, VmSettings } from '../../terraform/vm-configuration.mts'
import { readCard } from '../shape/card-text.mts'
import { optionIn } from '../shape/options.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'

const NO_ADDRESS: IpConfig = { ip4: null, gw4: null, ip6: null, gw6: null }
const DEFAULT_SEED_DRIVE = 'ide2'

/** Settings of a VM that nobody looked at. */
export const NOTHING_KEPT = {
  agent: true,
  cards: [],
  ip_configs: [NO_ADDRESS],
  cloud_init_storage: null,
  user_data_id: null,
  seed_interface: DEFAULT_SEED_DRIVE,
} satisfies Partial<VmSettings>

/**
 * Settings of a VM that is to be made. The seed takes the drive of the VM template's own cloud-init drive: cloud-init
 * would read the wrong one of two.
 * @param template config of the VM template.
 */
export function asTemplateHas(settings: VmSettings, template: VmConfig): VmSettings {
  return { ...settings, seed_interface: cloudInitSlotOf(template) ?? freeDrive(template) }
}

/**
 * Settings of a VM that exists, with what proxmint does not manage as Proxmox has it.
 * @param config of the VM.
 */
export function asOthersLeftIt(settings: VmSettings, config: VmConfig): VmSettings {
  const cloudInit = cloudInitSlotOf(config)
  return {
    ...settings,
    // Also what proxmint manages of these: `shapeEdits` changes it.
    cores: Number(optionIn(config, 'cores')),
    cpu_type: config['cpu'] === undefined ? settings.cpu_type : optionIn(config, 'cpuType'),
    memory: Number(optionIn(config, 'memory')),
    cards: cardsOf(config),
    vlan: null,
    disk: sizeOf(config) ?? settings.disk,
    tags: tagsIn(textOf(config, 'tags')),
    description: textOf(config, 'description').trim(),
    ip_configs: ipConfigsOf(config),
    cloud_init_storage: cloudInit === undefined ? null : storageOf(textOf(config, cloudInit)),
    seed_interface: seedDriveOf(config),
  }
}

/**
 * Settings of a VM that exists, with all of it as Proxmox has it: only its power and its user-data are changed.
 * @param config of the VM.
 */
export function asItIs(settings: VmSettings, config: VmConfig): VmSettings {
  const user = propertiesOf(textOf(config, 'cicustom'), 'user').get('user')
  return {
    ...asOthersLeftIt(settings, config),
    name: textOf(config, 'name'),
    agent: propertiesOf(textOf(config, 'agent'), 'enabled').get('enabled') === '1',
    // A seed ISO has the network itself: what Proxmox has of it, the VM never reads.
    ...(settings.seed_iso === null && networkIn(settings, config)),
    user_data_id: user ?? null,
  }
}

/** The network that Proxmox's cloud-init gives a VM. */
function networkIn(settings: VmSettings, config: VmConfig): Pick<VmSettings, 'address' | 'gateway' | 'dns'> {
  const [first = NO_ADDRESS] = ipConfigsOf(config)
  const isIpv6 = settings.address.includes(':')
  return {
    address: (isIpv6 ? first.ip6 : first.ip4) ?? settings.address,
    gateway: isIpv6 ? first.gw6 : first.gw4,
    dns: textOf(config, 'nameserver').split(' ').filter(Boolean),
  }
}

/** The size of the root disk in whole GiB, as the provider reads it; undefined if there is none. */
export function sizeOf(config: VmConfig): number | undefined {
  const gib = gibOf(textOf(config, ROOT_DISK))
  return gib === undefined ? undefined : Math.floor(gib)
}

function textOf(config: VmConfig, key: string): string {
  return String(config[key] ?? '')
}

/** The drive of the seed; otherwise the cloud-init drive; otherwise an empty one, from which somebody took the seed. */
function seedDriveOf(config: VmConfig): string {
  const drives = Object.keys(config).filter(key => /^(ide|sata|scsi)\d+$/.test(key))
  const seed = drives.find(key => /:iso\/proxmint-[^,]*\.iso(,|$)/.test(textOf(config, key)))
  const empty = drives.find(key => textOf(config, key).startsWith('none,'))
  return seed ?? cloudInitSlotOf(config) ?? empty ?? freeDrive(config)
}

function freeDrive(config: VmConfig): string {
  const drives = [DEFAULT_SEED_DRIVE, 'ide0', 'ide1', 'ide3']
  return drives.find(drive => config[drive] === undefined) ?? DEFAULT_SEED_DRIVE
}

/** Reads `ipconfig0`, `ipconfig1` and so on. A card without an address in between has an element, too. */
function ipConfigsOf(config: VmConfig): IpConfig[] {
  const length = Math.max(1, countOf(config, /^ipconfig(\d+)$/))
  return Array.from({ length }, (_, number) => ipConfigOf(textOf(config, `ipconfig${number}`)))
}

function cardsOf(config: VmConfig): Card[] {
  const length = countOf(config, /^net(\d+)$/)
  return Array.from({ length }, (_, number) => cardOf(textOf(config, `net${number}`)))
}

function cardOf(text: string): Card {
  const { model, mac, found } = readCard(text)
  const numberOf = (key: string): number => Number(found.get(key) ?? 0)
  return {
    enabled: text !== '',
    bridge: found.get('bridge') ?? null,
    vlan: numberOf('tag') || null,
    model,
    mac: mac ?? null,
    firewall: found.get('firewall') === '1',
    disconnected: found.get('link_down') === '1',
    rate: numberOf('rate'),
    mtu: numberOf('mtu'),
    queues: numberOf('queues'),
    trunks: found.get('trunks') ?? '',
  }
}

/** One more than the highest number of the keys that fit; 0 where none does. */
function countOf(config: VmConfig, pattern: RegExp): number {
  const numbers = Object.keys(config).flatMap(key => pattern.exec(key)?.[1] ?? [])
  return Math.max(0, ...numbers.map(number => Number(number) + 1))
}

function ipConfigOf(text: string): IpConfig {
  const found = propertiesOf(text, 'ip')
  const of = (key: string): string | null => found.get(key) ?? null
  return { ip4: of('ip'), gw4: of('gw'), ip6: of('ip6'), gw6: of('gw6') }
}
