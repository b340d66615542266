import type { OpenIssuer } from '../credential/issuer.mts'
import type { RegistryStore } from '../registry/store.mts'
import type { Connection } from '../site/connect.mts'

/** What every step in the life of a VM is given. */
export interface VmContext {
  store: RegistryStore
  connection: Connection
  /** For the checks before a reservation: Proxmox is asked each question once in a run. */
  checks: Connection
  /** The chain is asked only for VMs that have a token, or are to get one. */
  issuer: OpenIssuer
  signal: AbortSignal
}
