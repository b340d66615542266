/** Changes of users, groups, roles, pools and ACLs: all or nothing, as when Proxmox rewrites user.cfg. */

import { ApiError, failure, textOf } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { withoutPrototypes } from '../core/store.mts'

/**
 * Runs `change`. If it throws, restores the access configuration.
 * @param action first words of the error: `create role`.
 * @throws {ApiError} 500, as Proxmox does for every error under the lock of user.cfg
 * (`lock_user_config` in PVE/AccessControl.pm): `create role failed: role 'X' already exists`.
 */
export function changeAccess(pve: Pve, action: string, change: () => void): void {
  const before = withoutPrototypes(pve.store.state.access)
  try {
    change()
  } catch (error) {
    Object.assign(pve.store.state.access, before)
    throw withAction(action, error)
  }
}

/** Runs a change of realms, which is none if it throws. @throws {ApiError} 500 with the action in front. */
export async function failedBecause(action: string, change: () => void | Promise<void>): Promise<void> {
  try {
    await change()
  } catch (error) {
    throw withAction(action, error)
  }
}

function withAction(action: string, error: unknown): unknown {
  return error instanceof ApiError ? failure(`${action} failed: ${textOf(error)}`) : error
}
