/** Changes of users, groups and pools are made whole or not at all, as when Proxmox rewrites user.cfg. */

import type { Pve } from '../pve.mts'

/** Runs `change`; when it throws, the access configuration is as before. */
export function changeAccess(pve: Pve, change: () => void): void {
  const before = structuredClone(pve.store.state.access)
  try {
    change()
  } catch (error) {
    Object.assign(pve.store.state.access, before)
    throw error
  }
}
