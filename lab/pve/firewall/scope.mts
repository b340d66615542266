/** A firewall as its operations see it: where it is, who may do what, and its configuration. */

import type { FirewallConf, FirewallRule } from '../core/firewall-state.mts'
import type { Parameters } from '../core/parameters.mts'
import type { Permission } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Call } from '../core/route.mts'
import type { RuleScope } from './rules.mts'

export type FirewallCall = Call<Record<string, unknown>>

export interface FirewallScope {
  kind: RuleScope
  /** `/nodes/{node}/qemu/{vmid}/firewall` */
  path: string
  /** Parameters in the path. */
  parameters: Parameters
  audit: Permission
  modify: Permission
  conf: (pve: Pve, params: Record<string, unknown>) => FirewallConf
  /** Rules of this scope. Default: those of its configuration. */
  rules?: (conf: FirewallConf, params: Record<string, unknown>) => FirewallRule[]
  /** Checks privileges that depend on more than the path. @throws {ApiError} */
  require?: (call: FirewallCall, action: 'audit' | 'modify') => void
}
