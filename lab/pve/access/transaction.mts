/** Changes of users, groups, roles, pools and ACLs are made whole or not at all, as when Proxmox rewrites user.cfg. */

import { ApiError, failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { withoutPrototypes } from '../core/store.mts'

/**
 * Runs `change`; when it throws, the access configuration is as before. Under its lock of user.cfg Proxmox makes one
 * text of any refusal, status and all, and answers 500: `create role failed: role 'X' already exists`.
 *
 * @param action `create role`
 */
export function changeAccess(pve: Pve, action: string, change: () => void): void {
  const before = withoutPrototypes(pve.store.state.access)
  try {
    change()
  } catch (error) {
    Object.assign(pve.store.state.access, before)
    throw error instanceof ApiError ? failure(`${action} failed: ${textOf(error)}`) : error
  }
}

function textOf({ status, message, errors }: ApiError): string {
  const faults = Object.entries(errors ?? {}).map(([key, text]) => `\n${key}: ${text}`)
  return `${status === 500 ? '' : `${status} `}${message}${faults.join('')}`
}
