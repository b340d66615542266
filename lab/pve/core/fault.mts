/** What can go wrong on demand: the kinds of faults, when each strikes, and what it is told. */

import type { Method } from './method.mts'

/** What a fault is limited to. Every key that is given has to fit. */
export interface Match {
  method?: Method
  /** Below `/api2/json`: `*` stands for one segment, `**` for any number of them. */
  path?: string
  /** The VM an operation is about; for a clone its source or its target. */
  vmid?: number
  /** `qmclone`, `qmstart`, `download`, ...: the type in the task's UPID. */
  task?: string
  storage?: string
}

export interface Limits {
  match?: Match
  /** How often it strikes. Default: always. */
  times?: number
  /** How many occasions pass before it begins. Default 0. */
  after?: number
  /** Of striking at an occasion, 0 to 1; drawn from a fixed seed, so every run is the same. Default 1. */
  probability?: number
  seed?: number
}

/** `before` the operation is begun, or `after` it was done: the client cannot tell. */
export type When = 'before' | 'after'

interface Kinds {
  /** A VM's lock is not to be had. `seconds`: the wait, by default as long as Proxmox waits for that lock. */
  'lock-timeout': { seconds?: number }
  /** The request is answered with an error. Default: 500 and its usual reason. */
  error: { status?: number; message?: string; when?: When }
  'connection-reset': { when?: When }
  /** Tickets are refused as if their two hours were over. API tokens are not affected. */
  'expired-ticket': object
  /** A task waits this long before it begins. */
  'slow-task': { seconds: number }
  /** A task begins its work, stands still for `seconds` (default 0) at `percent`, and fails with `message`. */
  'failing-task': { message?: string; seconds?: number; percent?: number }
  /** The guest agent never answers. `seconds`: how long Proxmox waits for it, by default its own 3. */
  'silent-agent': { seconds?: number }
  /** The agent lists a bridge `docker0` before the guest's own network card. Default address 172.17.0.1. */
  'docker0-first': { address?: string }
  /** A storage has no space for another volume or file. */
  'disk-full': object
  /** The node's clock is wrong by this much; negative: behind. */
  'clock-skew': { seconds: number }
}

export type FaultKind = keyof Kinds

export type FaultOf<K extends FaultKind> = { fault: K } & Kinds[K] & Limits

export type Fault = { [K in FaultKind]: FaultOf<K> }[FaultKind]

/** A fault with what became of it. */
export interface FaultReport {
  fault: Fault
  /** Occasions it fitted. */
  seen: number
  /** Occasions it struck. */
  struck: number
}

/** What only the place of the fault knows, on top of the operation. */
export interface Occasion {
  /** The one VM a lock or an agent belongs to. */
  vmid?: number
  storage?: string
}

export interface Faults {
  /** Replaces all of them; counting begins anew. */
  set(faults: Fault[]): void
  list(): FaultReport[]
  /** The first fault of a kind that fits the occasion and is due; counts it. */
  due<K extends FaultKind>(kind: K, occasion?: Occasion): FaultOf<K> | undefined
  /** Seconds the node's clock is ahead of the machine's. */
  skew(): number
  /** Lets a fault take its time: rejects when the task is stopped meanwhile, or the server closes. */
  wait(seconds: number, signal?: AbortSignal): Promise<void>
  /** Ends all waiting, for a server that closes. */
  end(): void
}
