/** The Proxmox VE node that every route and worker gets. */

import type { GuestDriver, RunningGuest } from '../../guests/driver.mts'
import type { Faults } from './fault.mts'
import type { MajorVersion } from './privileges.mts'
import type { Store } from './store.mts'
import type { Tasks } from './task.mts'
import type { VmLocks } from './vm-locks.mts'

/** A running guest. It does not survive the server. */
export interface LiveGuest {
  guest: RunningGuest
  /** Milliseconds since the epoch. */
  startedAt: number
  pid: number
  /** True: its processors are halted. */
  paused: boolean
}

/** Number of API workers of a node (`max_workers` in PVE/Service/pveproxy.pm). A connection stays with one of them. */
export const API_WORKERS = 3

/**
 * What the nodes have sent of themselves, their storages and VMs, by `node/NODE`, `storage/NODE/ID` and `vm/VMID`. What was
 * not sent yet is missing.
 */
export type Statistics = ReadonlyMap<string, Record<string, unknown>>

export interface Pve {
  node: string
  version: MajorVersion
  /** Absolute path of the folder for state, storages and uploads. */
  dataDir: string
  store: Store
  driver: GuestDriver
  tasks: Tasks
  locks: VmLocks
  /** Running guests by VMID. */
  live: Map<number, LiveGuest>
  /** Milliseconds since the epoch. */
  startedAt: number
  /** Faults that the lab injects. */
  faults: Faults
  /** Reads the node's clock in milliseconds since the epoch. A fault can make it wrong. */
  now(): number
  /** API worker that serves the request, from 0. */
  worker: number
  /** Returns the statistics that an API worker knows: they are some seconds old, as on Proxmox. */
  statistics(worker: number): Promise<Statistics>
  /** Waits `seconds` times the lab's time scale. */
  pause(seconds: number): Promise<void>
}
