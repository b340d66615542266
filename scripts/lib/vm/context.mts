import type { OpenIssuer } from '../credential/issuer.mts'
import type { RegistryStore } from '../registry/store.mts'
import type { Connection } from '../site/connect.mts'

/** Registry, login, chain and signal for work on VMs. */
export interface VmContext {
  store: RegistryStore
  connection: Connection
  /** For the checks before a reservation: Proxmox is asked each question once in a run. */
  checks: Connection
  /** Opened only for VMs that have a token, or are to get one. */
  issuer: OpenIssuer
  signal: AbortSignal
}

/**
 * Runs `work` while no other run may work on the VM. Its signal aborts also where the lock is lost.
 * @throws ProxmintError (locked), as `RegistryStore.exclusively`.
 */
export function withVmLock<T>(
  context: VmContext,
  name: string,
  purpose: string,
  work: (context: VmContext, lost: AbortSignal) => Promise<T>,
): Promise<T> {
  return context.store.exclusively(name, purpose, lost =>
    work({ ...context, signal: AbortSignal.any([context.signal, lost]) }, lost),
  )
}
