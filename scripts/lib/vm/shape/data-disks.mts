/**
 * Data disks of a VM. A disk is known by its serial number, which is its name; and by its volume, where somebody attached it
 * again without a serial number. Pure.
 */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { gibOf, propertiesOf, storageOf, volumeOf, withProperty } from '../../proxmox/property-string.mts'
import { disksOf } from '../../proxmox/vm-devices.mts'
import type { DataDisk, DataDiskRecord, VmDesign } from '../../registry/entry.mts'
import { type Edit, edited as editedBy, NONE } from './edit.mts'
import { gibText } from './root-disk.mts'

/** The part of a design that is about data disks. */
export type DisksOfDesign = Partial<Pick<VmDesign, 'disks' | 'dataDisks' | 'storage'>>

/** Word for a disk that Proxmox keeps as `unusedN`. */
const DETACHED = 'detached'

const edited: typeof editedBy = (what, texts, cost, by) =>
  editedBy(what, texts, cost, { option: 'disks', ...by })

/** Most disks at the SCSI controller of a VM; the first is the root disk. */
const LAST_SLOT = 30

/** Lists the data disks that are missing, too small or other than the design has them, and those that nobody wants any more. */
export function dataDiskEdits(design: DisksOfDesign, config: VmConfig): Edit[] {
  const taken = new Set(Object.keys(config))
  const nextSlot = (): string => {
    const slot = Array.from({ length: LAST_SLOT }, (_, index) => `scsi${index + 1}`).find(
      one => !taken.has(one),
    )!
    taken.add(slot)
    return slot
  }
  const wanted = (design.disks ?? []).flatMap(disk => {
    const slot = slotOf(design, disk.name, config)
    return slot === undefined
      ? attachEdits(design, disk, config, nextSlot)
      : presentEdits(disk, slot, String(config[slot]))
  })
  return [...wanted, ...detachEdits(design, config)]
}

/** Slot of a data disk by its name; undefined if it is not attached. */
function slotOf({ dataDisks = {} }: DisksOfDesign, name: string, config: VmConfig): string | undefined {
  const disks = Object.entries(disksOf(config))
  const [bySerial] = disks.find(([slot]) => serialOf(config[slot]) === name) ?? []
  const volume = dataDisks[name]?.volume
  // A disk with another serial number is another disk, whatever the name of its volume.
  return bySerial ?? disks.find(([slot, one]) => one === volume && serialOf(config[slot]) === undefined)?.[0]
}

function serialOf(drive: string | number | undefined): string | undefined {
  return propertiesOf(String(drive ?? ''), 'file').get('serial')
}

function attachEdits(
  { dataDisks = {}, storage }: DisksOfDesign,
  disk: DataDisk,
  config: VmConfig,
  nextSlot: () => string,
): Edit[] {
  const known = dataDisks[disk.name]?.volume
  const isDetached = Object.entries(config).some(
    ([key, drive]) => /^unused\d+$/.test(key) && volumeOf(String(drive ?? '')) === known,
  )
  const source = isDetached ? known! : `${disk.storage ?? storage}:${disk.size}`
  const options = [
    'iothread=1',
    `serial=${disk.name}`,
    ...flagsOf(disk).map(([key, value]) => `${key}=${value}`),
  ]
  const set = { [nextSlot()]: [source, ...options].join(',') }
  const to =
    isDetached || known === undefined ? gibText(disk.size) : `${gibText(disk.size)}, a new empty disk`
  return edited(`disk ${disk.name}`, [isDetached ? DETACHED : NONE, to], null, { set })
}

/** Flags of a disk that somebody decided, as Proxmox writes them. */
function flagsOf({ ssd, discard, backup }: DataDisk): [string, string][] {
  return [
    ...(ssd === undefined ? [] : [['ssd', ssd ? '1' : '0'] as [string, string]]),
    ...(discard === undefined ? [] : [['discard', discard ? 'on' : 'ignore'] as [string, string]]),
    ...(backup === undefined ? [] : [['backup', backup ? '1' : '0'] as [string, string]]),
  ]
}

/** Value that Proxmox takes where a drive has no such option. */
const ABSENT: Record<string, string> = { ssd: '0', discard: 'ignore', backup: '1' }

function presentEdits(disk: DataDisk, slot: string, drive: string): Edit[] {
  const what = `disk ${disk.name}`
  const present = propertiesOf(drive, 'file')
  const wanted: [string, string][] = [['serial', disk.name], ...flagsOf(disk)]
  const differing = wanted.filter(([key, value]) => (present.get(key) ?? ABSENT[key]) !== value)
  const text = differing.reduce((before, [key, value]) => withProperty(before, key, value), drive)
  const flags = differing.flatMap(([key, value]) =>
    edited(
      `${what} ${key}`,
      [present.get(key) ?? ABSENT[key], value],
      // A running machine keeps these two: `vmconfig_update_disk` in PVE/QemuServer.pm.
      key === 'ssd' || key === 'discard' ? 'reboot' : null,
      { set: { [slot]: text } },
    ),
  )
  const found = gibOf(drive)
  const isSmall = found !== undefined && found < disk.size
  const grown = isSmall
    ? edited(what, [gibText(found), gibText(disk.size)], null, { grow: { slot, gib: disk.size } })
    : []
  return [...flags, ...grown]
}

/** A disk that nobody wants any more is detached and never deleted. The guest would lose what it has not written yet. */
function detachEdits(design: DisksOfDesign, config: VmConfig): Edit[] {
  return formerDisks(design, config).flatMap(([name, slot]) => {
    const size = gibOf(String(config[slot]))
    const from = size === undefined ? slot : gibText(size)
    return edited(`disk ${name}`, [from, DETACHED], 'remove', { remove: [slot], off: true })
  })
}

/** Names and slots of data disks that are attached and not in the design any more. */
function formerDisks({ disks = [], dataDisks = {} }: DisksOfDesign, config: VmConfig): [string, string][] {
  return Object.keys(dataDisks)
    .filter(name => disks.every(disk => disk.name !== name))
    .flatMap(name => {
      // A volume's name may be another disk's by now, so the serial number alone counts.
      const slot = Object.keys(disksOf(config)).find(one => serialOf(config[one]) === name)
      return slot === undefined ? [] : [[name, slot] as [string, string]]
    })
}

/** Names of the data disks by their slots: those that are wanted, and those that are to be detached. */
export function dataDiskSlots(design: DisksOfDesign, config: VmConfig): Map<string, string> {
  const wanted = (design.disks ?? []).flatMap(({ name }): [string, string][] => {
    const slot = slotOf(design, name, config)
    return slot === undefined ? [] : [[slot, name]]
  })
  const former = formerDisks(design, config).map(([name, slot]): [string, string] => [slot, name])
  return new Map([...wanted, ...former])
}

/** Names of detached data disks by their slots: `unused0`. Proxmox keeps them until somebody deletes them. */
export function detachedDisks({ dataDisks = {} }: DisksOfDesign, config: VmConfig): Map<string, string> {
  const unused = Object.entries(config).filter(([key]) => /^unused\d+$/.test(key))
  return new Map(
    unused.flatMap(([slot, drive]) => {
      const [name] =
        Object.entries(dataDisks).find(([, { volume }]) => volume === volumeOf(String(drive ?? ''))) ?? []
      return name === undefined ? [] : [[slot, name]]
    }),
  )
}

/**
 * The design with what Proxmox has of its data disks: their volumes, a size that somebody grew, a storage that somebody moved
 * a disk to.
 * @param firstSystem number of the first system whose user-data mounts a disk that was not there before.
 */
export function withDisksIn<D extends DisksOfDesign>(design: D, config: VmConfig, firstSystem: number): D {
  const { disks, dataDisks = {} } = design
  if (disks === undefined && design.dataDisks === undefined) return design
  const attached = [...dataDiskSlots(design, config)].map(([slot, name]): [string, DataDiskRecord] => [
    name,
    { firstSystem, ...dataDisks[name], volume: volumeOf(String(config[slot] ?? '')) },
  ])
  // A disk that is gone is remembered as long as it is wanted: the one that is made in its place is empty.
  const remembered = new Set([
    ...detachedDisks(design, config).values(),
    ...(disks ?? []).map(({ name }) => name),
  ])
  const detached = Object.entries(dataDisks).filter(([name]) => remembered.has(name))
  const slots = new Map([...dataDiskSlots(design, config)].map(([slot, name]) => [name, slot]))
  return {
    ...design,
    ...(disks !== undefined && {
      disks: disks.map(disk => asFound(disk, dataDisks[disk.name], config[slots.get(disk.name) ?? ''])),
    }),
    dataDisks: Object.fromEntries([...detached, ...attached]),
  }
}

function asFound(
  disk: DataDisk,
  known: DataDiskRecord | undefined,
  drive: string | number | undefined,
): DataDisk {
  if (drive === undefined || known === undefined) return disk
  const size = Math.floor(gibOf(String(drive)) ?? disk.size)
  const [before, after] = [known.volume, volumeOf(String(drive ?? ''))].map(storageOf)
  return {
    ...disk,
    ...(size > disk.size && { size }),
    ...(before !== after && { storage: after! }),
  }
}
