import type { ProxmoxClient } from '../proxmox/client.mts'
import { ProxmoxApiError } from '../proxmox/errors.mts'
import { getGranted } from './granted.mts'
import type { Grant } from './needs.mts'

/** An entry of Proxmox's ACL. */
export interface AclEntry {
  path: string
  type: 'user' | 'group' | 'token'
  /** Whom it is for: `user@realm`, a group's name, or `user@realm!tokenid`. */
  ugid: string
  roleid: string
  propagate?: 0 | 1
}

/** Which of user and token must be given a privilege. */
export interface Holders {
  user: string
  token: string | undefined
  /** Undefined where it cannot be told: that needs Sys.Audit on /access. */
  userLacks: boolean | undefined
  /** What of the ACL the identity may read; empty where none. */
  acl: AclEntry[]
}

/**
 * Finds out whether the user behind the identity lacks one of the grants too, or only its token does.
 * What the identity may not read is left unknown; no refusal is an error here.
 */
export async function findHolders(client: ProxmoxClient, missing: Grant[]): Promise<Holders> {
  const [user = '', tokenId] = client.identity.split('!')
  const token = tokenId === undefined ? undefined : client.identity
  const [userLacks, acl] = await Promise.all([
    token === undefined ? true : allowed(() => lacksAny(client, user, missing)),
    allowed(() => client.request<AclEntry[]>('GET', '/access/acl')),
  ])
  return { user, token, userLacks, acl: acl ?? [] }
}

async function lacksAny(client: ProxmoxClient, user: string, missing: Grant[]): Promise<boolean> {
  const granted = await getGranted(client, [...new Set(missing.map(grant => grant.path))], user)
  return missing.some(grant => !granted.get(grant.path)?.has(grant.privilege))
}

async function allowed<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ProxmoxApiError && error.status === 403) return undefined
    throw error
  }
}
