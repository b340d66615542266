/** What every step of a rebuild gets and gives back. */
import type { Entry, Rebuild } from '../../registry/entry.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import type { LocatedVm } from '../look/locate.mts'
import type { FoundRebuild } from './sight.mts'

/** Powers a VM off and on; given by the room above. */
export interface Power {
  /** Shuts it down gracefully, then hard after a time; it does not start with its node then. */
  shutDown(entry: Entry, vm: LocatedVm): Promise<void>
  /** Starts it with the user-data of its entry. @returns the entry with the node it is on. */
  start(entry: Entry): Promise<Entry>
  /** Compares what runs with the entry, cloud-init included. @param ranBefore its system is not new. */
  verify(entry: Entry, ranBefore: boolean): Promise<void>
}

/** What a step works on. */
export interface Work {
  entry: Entry
  rebuild: Rebuild
  found: FoundRebuild
  context: VmContext
  power: Power
}

/** @returns the entry after the step. */
export type Act = (work: Work) => Promise<Entry>

/** How long a step waits for a task of Proxmox. */
export function taskWait({ config }: Connection): { timeoutMs: number } {
  return { timeoutMs: config.taskTimeoutSeconds * 1000 }
}
