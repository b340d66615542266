/** What every route and worker is given: the one Proxmox VE node this server is. */

import type { GuestDriver, RunningGuest } from '../../guests/driver.mts'
import type { Faults } from './fault.mts'
import type { MajorVersion } from './privileges.mts'
import type { Store } from './store.mts'
import type { Tasks } from './task.mts'
import type { VmLocks } from './vm-locks.mts'

/** A guest that runs now. Nothing of it survives the server. */
export interface LiveGuest {
  guest: RunningGuest
  /** Milliseconds since the epoch. */
  startedAt: number
  pid: number
}

export interface Pve {
  node: string
  version: MajorVersion
  /** Absolute folder of state, storages and uploads. */
  dataDir: string
  store: Store
  driver: GuestDriver
  tasks: Tasks
  locks: VmLocks
  /** By vmid. */
  live: Map<number, LiveGuest>
  /** Milliseconds since the epoch. */
  startedAt: number
  /** What goes wrong on demand. */
  faults: Faults
  /** The node's clock, which may be wrong: milliseconds since the epoch. */
  now(): number
  /** Lets simulated work take its time: `seconds` times the lab's time scale. */
  pause(seconds: number): Promise<void>
}
