/** Changes of a VM's config that proxmint makes itself, by the API. Pure. */
import type { Change } from '../../terraform/costs.mts'
import type { Effect } from './hotplug.mts'

/** One change, and what makes it. */
export interface Edit {
  /** In words, with its cost for a VM that runs. */
  change: Change
  /** Name of the option in `VM_OPTIONS` that decides this. Left out: several do, or none. */
  option?: string
  /** What the VM notices of it; left out: nobody looked at the VM yet. */
  effect?: Effect
  /** The guest takes it at its next boot, although Proxmox takes it at once. */
  atBoot?: true
  /** Keys of the config with their new texts. */
  set?: Readonly<Record<string, string | number>>
  /** Keys that leave the config. */
  remove?: readonly string[]
  /** A disk that grows to this size. */
  grow?: { slot: string; gib: number }
  /** A VM that runs is powered off for it, and on afterwards. */
  off?: true
  /** A set of addresses of the firewall, with what it has and is to have; undefined: there is none, or is to be none. */
  ipSet?: { name: string; has: readonly string[] | undefined; wanted: readonly string[] | undefined }
}

/** Words for a value that is not set. */
export const NONE = 'none'

/** A change from one text to another; empty where they are the same. */
export function edited(
  what: string,
  [from, to]: readonly [string | undefined, string | undefined],
  cost: Change['cost'],
  by: Omit<Edit, 'change'>,
): Edit[] {
  return from === to ? [] : [{ change: { what, from: from ?? NONE, to: to ?? NONE, cost }, ...by }]
}

/** Lists what the edits change, in words. */
export function changesIn(edits: readonly Edit[]): Change[] {
  return edits.map(({ change }) => change)
}
