import type { VmContext } from '../context.mts'

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
