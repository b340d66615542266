import type { PermissionReport } from './compare.mts'
import type { Holders } from './holders.mts'

/** What an identity has and lacks for a kind of work, and how to add it. */
export interface PermissionVerdict {
  report: PermissionReport
  holders: Holders | undefined
  /** Commands for root on a node. Empty if nothing is missing. */
  pveum: string[]
}
