/** Differences between a VM in Proxmox and its entry, in what proxmint manages. Pure: it reads a config. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { propertiesOf } from '../../proxmox/property-string.mts'
import { type Entry, isToRun, type VmDesign } from '../../registry/entry.mts'
import { changesIn } from '../shape/edit.mts'
import { shapeEdits } from '../shape/shape.mts'

/** A value that differs; `none` stands for one that is not set. */
export interface Difference {
  what: string
  proxmox: string
  registry: string
}

/** Lists the differences of a VM that is there. Name and notes are its identity: `differencesFrom` compares them. */
export function driftOf(
  entry: Pick<Entry, 'design' | 'phase' | 'stopped' | 'address' | 'addresses'>,
  config: VmConfig,
): Difference[] {
  const { design } = entry
  if (design === null) return []
  const others = othersOf(design, isToRun(entry))
  const proxmox = othersIn(config)
  return [
    ...changesIn(shapeEdits(design, config, undefined, entry)).map(({ what, from, to }) => ({
      what,
      proxmox: from,
      registry: to,
    })),
    ...Object.entries(others)
      .map(([what, value]) => ({ what, proxmox: proxmox[what]!, registry: value }))
      .filter(({ proxmox, registry }) => proxmox !== registry),
  ]
}

/** What Terraform changes. */
function othersOf({ onBoot = true }: VmDesign, runs: boolean): Record<string, string> {
  return {
    'guest agent': 'on',
    ...(runs && { 'start at boot': onBoot ? 'on' : 'off' }),
  }
}

function othersIn(config: VmConfig): Record<string, string> {
  const text = (key: string): string => String(config[key] ?? '')
  return {
    'guest agent': isOn(propertiesOf(text('agent'), 'enabled').get('enabled')),
    'start at boot': isOn(text('onboot')),
  }
}

function isOn(value: string | undefined): string {
  return value === '1' ? 'on' : 'off'
}

/** Formats a difference: `memory: Proxmox 4096, registry 2048`. */
export function differenceText({ what, proxmox, registry }: Difference): string {
  return `${what}: Proxmox ${proxmox}, registry ${registry}`
}
