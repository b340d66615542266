/** What of a destroyed VM comes back from its backup, and what stands in the way. Pure. */
import {
  addressesOf,
  type BackupRecord,
  type Entry,
  phases,
  type StoppedVm,
  withEvent,
} from '../../registry/entry.mts'
import { entryMark } from '../../registry/identity.mts'
import { vmidsOf } from '../../registry/rebuild.mts'
import type { UnknownVm } from '../../registry/store.mts'
import { extended } from './expiry.mts'

/** A destroyed VM that has a backup. */
export type Restorable = Entry & { backup: BackupRecord }

/** What a person says about a restore. */
export interface RestoreWishes {
  /** Undefined: its own. */
  vmid: number | undefined
  /** Storage of its disks; undefined: those that it had. */
  storage: string | undefined
  /** Days by which it is extended; undefined: it must not be expired. */
  days: number | undefined
}

/** VMs that may have taken a number or a name since. */
interface Present {
  entries: Entry[]
  unknown: readonly UnknownVm[]
  /** Whether Proxmox gives the VMID out. */
  isVmidFree: boolean
}

/** Finds the newest destroyed VM of a name that has a backup. */
export function restorableIn(archived: Entry[], name: string): Restorable | undefined {
  return archived.findLast((one): one is Restorable => one.name === name && one.backup !== undefined)
}

/** Lists why the VM cannot come back as it was, a phrase each. @param vmid that it is to have. */
export function obstaclesTo(gone: Entry, vmid: number, { entries, unknown, isVmidFree }: Present): string[] {
  const owner = entries.find(one => vmidsOf(one).includes(vmid))
  const held = addressesOf(gone).flatMap(address => {
    const holder =
      entries.find(one => addressesOf(one).includes(address))?.name ??
      unknown.find(({ addresses }) => addresses.includes(address))?.name
    return holder === undefined
      ? []
      : [`the address ${address} belongs to ${holder || 'a VM without a name'}`]
  })
  return [
    entries.some(one => one.name === gone.name) ? `the name ${gone.name} is taken` : '',
    owner === undefined ? '' : `VMID ${vmid} belongs to ${owner.name}`,
    owner === undefined && !isVmidFree ? `VMID ${vmid} is taken in Proxmox by another VM` : '',
    ...held,
  ].filter(obstacle => obstacle !== '')
}

/** Checks whether a backup is one of the VM. @param config the text that the backup holds. */
export function isBackupOf({ id }: Pick<Entry, 'id'>, config: string): boolean {
  return config.includes(entryMark(id))
}

/**
 * Entry of a VM that is brought back, powered off, in the phase that it had before it was destroyed.
 * @param config the text that the backup holds.
 */
export function revived(gone: Restorable, config: string, { vmid, days }: RestoreWishes, now: Date): Entry {
  // Nothing of a rebuild is in a backup, and by now another volume may have the name of the root disk of before.
  const { replaces: _, rebuild: __, previous: ___, stopped, ...entry } = gone
  const { volid, node } = gone.backup
  const phase = phaseBefore(gone)
  const off: StoppedVm = stopped ?? { startsWithNode: /^onboot: 1$/m.test(config) }
  const back: Entry = {
    ...entry,
    phase,
    vmid: vmid ?? gone.vmid,
    node,
    design: withoutVolumes(entry.design),
    failure: null,
    token: entry.token?.status === 'expired' ? { ...entry.token, status: 'minted' } : entry.token,
    restoring: volid,
    // A suspended VM of somebody else's gets it back from here, too.
    ...((phase === 'active' || entry.foreign) && { stopped: off }),
    // A run that read it before it was destroyed has read another one.
    revision: (gone.revision ?? 0) + 1,
  }
  const begun = withEvent(back, `to be restored from ${volid}`, now)
  return days === undefined ? begun : extended(begun, days, now)
}

/** A restore gives volumes other names: a name of before may be that of another disk. Their serial numbers stay. */
function withoutVolumes(design: Entry['design']): Entry['design'] {
  if (design?.dataDisks === undefined) return design
  const dataDisks = Object.entries(design.dataDisks).map(([name, known]) => [
    name,
    { ...known, volume: `${known.volume.split(':')[0]}:` },
  ])
  return { ...design, dataDisks: Object.fromEntries(dataDisks) }
}

/** A VM that was never suspended was active. */
function phaseBefore({ history }: Entry): 'active' | 'suspended' {
  const names: readonly string[] = phases
  const last = history.findLast(({ what }) => what !== 'destroyed' && names.includes(what))
  return last?.what === 'suspended' ? 'suspended' : 'active'
}

/** Entry of a VM that is back. */
export function restored({ restoring, ...entry }: Entry, now: Date): Entry {
  return withEvent({ ...entry, failure: null }, `restored from ${restoring}`, now)
}
