import type { OpenIssuer } from '../credential/issuer.mts'
import type { Safety } from '../registry/entry.mts'
import type { RegistryStore } from '../registry/store.mts'
import { lockLost } from '../run/lock.mts'
import type { Connection } from '../site/connect.mts'
import type { Cost } from '../terraform/costs.mts'
import { fenced, type Lockable } from './fence.mts'

/** Registry, login, chain and signal for work on VMs. */
export interface VmContext {
  store: RegistryStore
  connection: Connection
  /** For the checks before a reservation: Proxmox is asked each question once in a run. */
  checks: Connection
  /** Opened only for VMs that have a token, or are to get one. */
  issuer: OpenIssuer
  signal: AbortSignal
  /** Costs that a person agreed to; left out: none. */
  allowed?: ReadonlySet<Cost>
  /** What a person said about a backup before a destroy; left out: as the VM or config/vm.yaml says. */
  safety?: Safety
}

/**
 * Runs `work` while no other run may work on the VM. If the lock is lost, its signal aborts, and whatever it would write
 * through its context fails.
 * @throws ProxmintError (locked), as `RegistryStore.exclusively`.
 */
export function withVmLock<T, C extends Lockable>(
  context: C,
  name: string,
  purpose: string,
  work: (context: C, lost: AbortSignal) => Promise<T>,
): Promise<T> {
  return context.store.exclusively(name, purpose, (lost, isHeld) => {
    const requireHeld = async (): Promise<void> => {
      if (!(await isHeld())) throw lockLost(`${purpose} ${name}`, lost)
    }
    return work(fenced(context, lost, requireHeld), lost)
  })
}
