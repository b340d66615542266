import type { PoolConfig } from '../config/pools.mts'
import type { Divergence } from '../registry/divergence.mts'
import type { Entry } from '../registry/entry.mts'
import type { Families } from '../templates/version.mts'

/** Facts that the report is drawn from. */
export interface ReportFacts {
  now: Date
  /** Name of the site. */
  site: string
  families: Families
  /** Living VMs. */
  entries: Entry[]
  /** Destroyed VMs. */
  archived: Entry[]
  pools: PoolConfig
  reconciled: Reconciled
}

/** Contradictions that `reconcile` found, or the reason why Proxmox could not be asked. */
export type Reconciled = { findings: Divergence[] } | { unknown: string }
