/** What an entry says of a rebuild that is not finished, and of the root disk that the VM had before. Pure. */
import { volumeOf } from '../proxmox/property-string.mts'
import { DAY_MS } from '../run/duration.mts'
import { type Entry, type Rebuild, type System, withEvent } from './entry.mts'

/** The present system of a VM. */
export function systemOf({ template, design, system }: Entry): System {
  const { cloudInit, noLogin, atRebuild, userDataPurpose, template: source } = design!
  return {
    ...{ template, source, cloudInit },
    ...(noLogin && { noLogin }),
    ...(atRebuild !== undefined && { atRebuild }),
    ...(userDataPurpose !== undefined && { userDataPurpose }),
    ...(system !== undefined && { number: system }),
  }
}

/** Volumes that are not somebody else's, although they are unused disks of the VM. */
export function ownVolumes({ previous, rebuild }: Pick<Entry, 'previous' | 'rebuild'>): string[] {
  const { disk, volume, older } = rebuild ?? {}
  return [previous?.volume, disk && volumeOf(disk), volume, older].filter(one => one !== undefined)
}

/** VMIDs that an entry holds: its own, and that of a spare VM. */
export function vmidsOf({ vmid, rebuild }: Pick<Entry, 'vmid' | 'rebuild'>): number[] {
  return rebuild?.spareVmid === undefined ? [vmid] : [vmid, rebuild.spareVmid]
}

/** Name of the spare VM of a rebuild. */
export function spareName(name: string): string {
  return `${name.slice(0, 55)}-rebuild`.replace(/-+rebuild$/, '-rebuild')
}

/** Notes of the spare VM. They have no mark of an entry: nothing takes it for the VM itself. */
export function spareNotes({ name, id }: Pick<Entry, 'name' | 'id'>): string {
  return `Spare VM for the rebuild of ${name}. Its root disk becomes that of ${name}, and proxmint deletes it then.\n${spareMark(id)}`
}

/** Mark of the spare VM of an entry. No other VM has it. */
export function spareMark(id: string): string {
  return `Spare of ${id}.`
}

/** Entry whose rebuild is written down. */
export function rebuildBegun(entry: Entry, rebuild: Rebuild, at: Date): Entry {
  const { kind, from, to } = rebuild
  return withEvent({ ...entry, failure: null, rebuild }, `${kind}, from ${from} to ${to}`, at)
}

/**
 * Entry whose VM has its other root disk.
 * @param size of that disk in whole GiB.
 */
export function rebuildSwapped(entry: Entry, size: number, rollbackDays: number, at: Date): Entry {
  const rebuild = entry.rebuild!
  const { system, cpuType, from } = rebuild
  const volume = volumeOf(rebuild.disk)
  const until = new Date(at.getTime() + rollbackDays * DAY_MS).toISOString()
  const { noLogin: _, atRebuild: _wishes, userDataPurpose: _purpose, ...design } = entry.design!
  const { noLogin, atRebuild, userDataPurpose } = system
  const { system: _number, ...rest } = entry
  const swapped: Entry = {
    ...rest,
    template: system.template,
    ...(system.number !== undefined && { system: system.number }),
    design: {
      ...design,
      ...(cpuType !== undefined && { cpuType }),
      ...(noLogin && { noLogin }),
      ...(atRebuild !== undefined && { atRebuild }),
      ...(userDataPurpose !== undefined && { userDataPurpose }),
      ...{ template: system.source, disk: size, cloudInit: system.cloudInit },
    },
    previous: { volume, version: from, until, system: systemOf(entry) },
    rebuild: { ...rebuild, swapped: true },
  }
  return withEvent(swapped, `its root disk with ${from} is unused: ${volume}, kept until ${until}`, at)
}

/** Entry whose rebuild is over. */
export function rebuildEnded(entry: Entry, what: string, at: Date): Entry {
  const { rebuild: _, ...ended } = entry
  return withEvent({ ...ended, failure: null }, what, at)
}

/** Checks whether the root disk of before is to be removed. One that an unfinished rebuild needs is not. */
export function isPreviousDue(
  { previous, rebuild }: Pick<Entry, 'previous' | 'rebuild'>,
  now: Date,
): boolean {
  return previous !== undefined && rebuild === undefined && Date.parse(previous.until) <= now.getTime()
}

/** Entry without the root disk of before. */
export function withoutPrevious(entry: Entry, what: string, at: Date): Entry {
  const { previous: _, ...rest } = entry
  return withEvent(rest, what, at)
}
