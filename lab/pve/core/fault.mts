/** Types of faults that the lab injects: kinds, limits and counts. See docs/lab-faults.md. */

import type { Method } from './parameters.mts'

/** Conditions of a fault. All given keys must match. */
export interface Match {
  method?: Method
  /** Path below `/api2/json`. `*` is a part of one segment, `**` is any number of segments. */
  path?: string
  /** VM of the operation; for a clone its source or its target. */
  vmid?: number
  /** Type in the task's UPID: `qmclone`, `qmstart`, `download`, ... */
  task?: string
  storage?: string
}

interface Limits {
  match?: Match
  /** Number of times it strikes. Default: no limit. */
  times?: number
  /** Number of matching occasions that it lets pass first. Default 0. */
  after?: number
  /** Probability at each occasion, 0 to 1. Default 1. The seed is fixed, so all runs are alike. */
  probability?: number
  /** Seed of the probability. Default 1. */
  seed?: number
}

/** `before`: the operation does not begin. `after`: it is done, but the client gets the error. */
type When = 'before' | 'after'

interface Kinds {
  /** A VM's lock stays taken. `seconds`: the wait. Default: as long as Proxmox waits for that lock. */
  'lock-timeout': { seconds?: number }
  /** The answer to a request is an error. Default: 500 with its usual reason. */
  error: { status?: number; message?: string; when?: When }
  'connection-reset': { when?: When }
  /** Tickets have expired, as after two hours. API tokens are not affected. */
  'expired-ticket': object
  /** A task waits this long before it begins. */
  'slow-task': { seconds: number }
  /** A task begins its work, waits for `seconds` (default 0) at `percent`, and fails with `message`. */
  'failing-task': { message?: string; seconds?: number; percent?: number }
  /** The guest agent never answers. `seconds`: the wait. Default 3, as Proxmox waits. */
  'silent-agent': { seconds?: number }
  /** The agent lists a bridge `docker0` before the guest's own network card. Default address 172.17.0.1. */
  'docker0-first': { address?: string }
  /** A storage has no space for another volume or file. */
  'disk-full': object
  /** The node's clock is ahead by `seconds`; a negative number means behind. */
  'clock-skew': { seconds: number }
}

export type FaultKind = keyof Kinds

export type FaultOf<K extends FaultKind> = { fault: K } & Kinds[K] & Limits

export type Fault = { [K in FaultKind]: FaultOf<K> }[FaultKind]

/** A fault with its counts. */
export interface FaultReport {
  fault: Fault
  /** Number of occasions that matched. */
  seen: number
  /** Number of occasions at which it struck. */
  struck: number
}

/** Facts about an occasion that the operation does not contain. */
export interface Occasion {
  /** VM of a lock or an agent. */
  vmid?: number
  storage?: string
}

export interface Faults {
  /** Replaces all faults and starts counting again. */
  set(faults: Fault[]): void
  list(): FaultReport[]
  /** Finds the first fault of a kind that matches the occasion and strikes. Counts it. */
  due<K extends FaultKind>(kind: K, occasion?: Occasion): FaultOf<K> | undefined
  /** Returns the seconds by which the node's clock is ahead of the machine's. */
  skew(): number
  /** Waits for a fault. Rejects if `signal` aborts or the server closes. */
  wait(seconds: number, signal?: AbortSignal): Promise<void>
  /** Ends all waits because the server closes. */
  end(): void
}
