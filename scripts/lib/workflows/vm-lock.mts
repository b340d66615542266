import type { Working } from './vm-steps.mts'

/**
 * Runs `work` while no other run may work on the VM. Its signal aborts also where the lock is lost.
 * @throws ProxmintError (locked), as `RegistryStore.exclusively`.
 */
export function withVmLock<T>(
  working: Working,
  name: string,
  purpose: string,
  work: (working: Working, lost: AbortSignal) => Promise<T>,
): Promise<T> {
  return working.store.exclusively(name, purpose, lost =>
    work({ ...working, signal: AbortSignal.any([working.signal, lost]) }, lost),
  )
}
