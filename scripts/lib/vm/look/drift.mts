/** Differences between a VM in Proxmox and its entry, in what proxmint manages. Pure: it reads a config. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { gibOf, propertiesOf } from '../../proxmox/property-string.mts'
import { tagsIn } from '../../proxmox/tags.mts'
import { cpuTypeOf, type Entry, type VmDesign } from '../../registry/entry.mts'

/** A value that differs; `none` stands for one that is not set. */
export interface Difference {
  what: string
  proxmox: string
  registry: string
}

/** The slot of the root disk. proxmint makes no VM without it. */
export const ROOT_DISK = 'scsi0'

/** Lists the differences of a VM that is there. Name and notes are its identity: `differencesFrom` compares them. */
export function driftOf({ design, phase }: Pick<Entry, 'design' | 'phase'>, config: VmConfig): Difference[] {
  if (design === null) return []
  const registry = registryValues(design, phase)
  const proxmox = proxmoxValues(config)
  return Object.entries(registry)
    .map(([what, value]) => ({ what, proxmox: proxmox[what] ?? 'none', registry: value }))
    .filter(one => differs(one))
}

/** A larger disk is not a difference: somebody grew it, and it cannot shrink. Tags of others stay. */
function differs({ what, proxmox, registry }: Difference): boolean {
  if (what === 'disk') return Number.parseFloat(proxmox) < Number.parseFloat(registry)
  if (what !== 'tags') return proxmox !== registry
  const present = tagsIn(proxmox)
  return (
    tagsIn(registry).some(tag => !present.includes(tag)) || tagsGivenUp(tagsIn(registry), present).length > 0
  )
}

function registryValues(design: VmDesign, phase: Entry['phase']): Record<string, string> {
  const { bridge, vlan } = design.network
  const power: Record<string, string> = phase === 'active' ? { 'start at boot': 'on' } : {}
  return {
    memory: String(design.memory),
    cores: String(design.cores),
    'CPU type': cpuTypeOf(design),
    disk: `${design.disk} GiB`,
    bridge,
    VLAN: vlan === null ? 'none' : String(vlan),
    tags: design.tags.toSorted().join(' '),
    'guest agent': 'on',
    ...power,
  }
}

function proxmoxValues(config: VmConfig): Record<string, string | undefined> {
  const text = (key: string): string => String(config[key] ?? '')
  const card = propertiesOf(text('net0'), 'model')
  const gib = gibOf(text(ROOT_DISK))
  return {
    memory: memoryIn(config),
    cores: text('cores') || '1',
    'CPU type': cpuTypeIn(config) ?? 'qemu64',
    disk: gib === undefined ? undefined : `${Number(gib.toFixed(2))} GiB`,
    bridge: card.get('bridge'),
    VLAN: card.get('tag'),
    tags: tagsIn(text('tags')).toSorted().join(' '),
    'guest agent': isOn(propertiesOf(text('agent'), 'enabled').get('enabled')),
    'start at boot': isOn(text('onboot')),
  }
}

/** The memory of a VM in MiB. Proxmox leaves its default of 512 out. */
export function memoryIn(config: VmConfig): string | undefined {
  return propertiesOf(String(config['memory'] ?? '') || '512', 'current').get('current')
}

/** The CPU model of a VM; undefined if its config has none. */
export function cpuTypeIn(config: VmConfig): string | undefined {
  return propertiesOf(String(config['cpu'] ?? ''), 'cputype').get('cputype')
}

function isOn(value: string | undefined): string {
  return value === '1' ? 'on' : 'off'
}

/** Tags of a former owner. Other tags that the registry does not have are somebody else's, and stay. */
export function tagsGivenUp(wanted: string[], present: string[]): string[] {
  return present.filter(tag => tag.startsWith('wallet-') && !wanted.includes(tag))
}

/** Formats a difference: `memory: Proxmox 4096, registry 2048`. */
export function differenceText({ what, proxmox, registry }: Difference): string {
  return `${what}: Proxmox ${proxmox}, registry ${registry}`
}
