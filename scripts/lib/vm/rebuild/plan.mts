/** The next step of a rebuild or an undo, by what Proxmox has. Pure: it reads configs. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { gibOf, propertiesOf, volumeOf } from '../../proxmox/property-string.mts'
import { cpuTypeOf, type Entry, type Rebuild } from '../../registry/entry.mts'
import { optionIn } from '../shape/options.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'

/**
 * `renumber`: somebody else has the VMID of the spare VM. `discard`: the spare VM is of no use. `prepare`: the spare VM
 * has its cards, or its disk is too small. `detach`: shut the VM down, and take its root disk. `find`: the new disk has
 * left the spare VM and is in no config. `attach`: flags and boot order are not those of before. `exchange`: the root
 * disk of before takes the place of the present one. `record`: the VM has its other disk. `restore`: it is to get back the
 * one that was detached. `give-up`: nothing was changed of it. `turn`: what was recorded is to be undone. `strange`: it
 * has a root disk that nobody knows. `finish`: the entry says what the VM has.
 */
export type RebuildStep =
  | 'renumber'
  | 'clone'
  | 'discard'
  | 'prepare'
  | 'detach'
  | 'move'
  | 'find'
  | 'attach'
  | 'exchange'
  | 'record'
  | 'restore'
  | 'give-up'
  | 'turn'
  | 'strange'
  | 'finish'

/** What has the VMID of the spare VM. */
export interface SpareSight {
  node: string
  /** Its notes have the mark. */
  isOurs: boolean
  config: VmConfig
}

/** What Proxmox has. */
export interface RebuildSight {
  node: string
  config: VmConfig
  /** Undefined: nobody has its VMID. */
  spare: SpareSight | undefined
}

/** Tells what is to be done next. Each step is such that this function tells another one afterwards. */
export function nextStep(rebuild: Rebuild, sight: RebuildSight): RebuildStep {
  if (rebuild.swapped) return rebuild.kind === 'rebuild' && rebuild.back ? 'turn' : 'finish'
  const root = rootOf(sight.config)
  if (rebuild.kind === 'undo') return stepOfUndo(rebuild, root, sight.config)
  const ours = sight.spare?.isOurs === true ? sight.spare : undefined
  const hasDisk = ours !== undefined && rootOf(ours.config) !== undefined
  if (root === volumeOf(rebuild.disk)) return rebuild.back ? 'give-up' : stepBefore(rebuild, sight)
  if (root === undefined) return hasDisk ? (rebuild.back ? 'restore' : 'move') : 'find'
  if (hasDisk) return 'strange'
  return stepAfter(rebuild, root, sight.config)
}

function stepOfUndo(rebuild: Rebuild, root: string | undefined, config: VmConfig): RebuildStep {
  if (root === undefined || root === volumeOf(rebuild.disk)) return 'exchange'
  return root === rebuild.volume ? stepAfter(rebuild, root, config) : 'strange'
}

/** The VM has its root disk. */
function stepBefore(rebuild: Rebuild, { node, spare }: RebuildSight): RebuildStep {
  if (spare === undefined) return 'clone'
  if (!spare.isOurs) return 'renumber'
  if (spare.node !== node || rootOf(spare.config) === undefined) return 'discard'
  return Object.keys(preparationOf(rebuild, spare.config)).length > 0 ? 'prepare' : 'detach'
}

function stepAfter(rebuild: Rebuild, root: string, config: VmConfig): RebuildStep {
  return Object.keys(settingsFor(rebuild, root, config)).length > 0 ? 'attach' : 'record'
}

/** Volume of the root disk; undefined without one. */
export function rootOf(config: VmConfig): string | undefined {
  const drive = config[ROOT_DISK]
  return drive === undefined ? undefined : volumeOf(String(drive))
}

/** Boot order of a config; null without one. */
export function bootIn(config: VmConfig): string | null {
  return config['boot'] === undefined ? null : String(config['boot'])
}

/** What makes a clone a spare VM. */
interface Preparation {
  /** Settings, as a change of a config has them: no card, no protection, no start with its node. */
  settings?: Record<string, string | number>
  /** Size for its root disk, as Proxmox writes it: `20G`. */
  size?: string
}

/** A node that restarts, or a person, must not bring a second VM with this network up. */
export function preparationOf({ disk }: Pick<Rebuild, 'disk'>, spare: VmConfig): Preparation {
  const cards = Object.keys(spare).filter(key => /^net\d+$/.test(key))
  const settings = {
    ...(cards.length > 0 && { delete: cards.join(',') }),
    ...(Number(spare['onboot'] ?? 0) === 1 && { onboot: 0 }),
    // A clone is as protected as its VM template.
    ...(Number(spare['protection'] ?? 0) === 1 && { protection: 0 }),
  }
  const [has, needs] = [String(spare[ROOT_DISK]), disk].map(gibOf)
  const isSmall = has !== undefined && needs !== undefined && has < needs
  return {
    ...(Object.keys(settings).length > 0 && { settings }),
    ...(isSmall && { size: propertiesOf(disk, 'file').get('size')! }),
  }
}

/** Follow from the volume. */
const OF_THE_VOLUME = ['file', 'size', 'format']

/** The drive with the flags that the root disk had before: cache, discard, iothread, serial, ... */
export function driveWith(volume: string, before: string): string {
  const flags = flagsOf(before)
  return [volume, ...[...flags].map(([key, value]) => `${key}=${value}`)].join(',')
}

function flagsOf(drive: string): Map<string, string> {
  return new Map([...propertiesOf(drive, 'file')].filter(([key]) => !OF_THE_VOLUME.includes(key)))
}

/** Settings by which the VM is as before but for its disk; empty where it is. */
export function settingsFor(
  { disk, boot, cpuType }: Pick<Rebuild, 'disk' | 'boot' | 'cpuType'>,
  volume: string,
  config: VmConfig,
): Record<string, string> {
  const present = String(config[ROOT_DISK] ?? '')
  const isAttached = volumeOf(present) === volume && hasSameFlags(present, disk)
  const isInOrder = bootIn(config)?.trim() === boot?.trim()
  const orderOf = (): Record<string, string> => (boot === null ? { delete: 'boot' } : { boot })
  return {
    ...(!isAttached && { [ROOT_DISK]: driveWith(volume, disk) }),
    ...(!isInOrder && orderOf()),
    ...(cpuType !== undefined &&
      optionIn(config, 'cpuType') !== cpuType && { cpu: withCpuType(config, cpuType) }),
  }
}

function hasSameFlags(one: string, other: string): boolean {
  const [flags, others] = [flagsOf(one), flagsOf(other)]
  return flags.size === others.size && [...flags].every(([key, value]) => others.get(key) === value)
}

function withCpuType(config: VmConfig, type: string): string {
  const rest = [...propertiesOf(String(config['cpu'] ?? ''), 'cputype')].filter(([key]) => key !== 'cputype')
  return [type, ...rest.map(([key, value]) => `${key}=${value}`)].join(',')
}

/** Slot of an unused disk; undefined if the volume is not one. */
export function unusedSlotOf(config: VmConfig, volume: string): string | undefined {
  return Object.keys(config).find(key => /^unused\d+$/.test(key) && volumeOf(String(config[key])) === volume)
}

/** The CPU model that a rebuild gives a VM that was made before there was a choice; undefined where it keeps its own. */
export function newCpuType({ design }: Entry, config: VmConfig, ofToday: string): string | undefined {
  const isOfBefore = design!.cpuType === undefined && optionIn(config, 'cpuType') === cpuTypeOf(design!)
  return isOfBefore && optionIn(config, 'cpuType') !== ofToday ? ofToday : undefined
}
