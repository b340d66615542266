import type { ProxmoxClient } from '../proxmox/client.mts'
import { unlessStatus } from '../proxmox/errors.mts'
import { getGranted } from './granted.mts'
import type { Grant } from './needs.mts'

/** Entry of Proxmox's ACL. */
export interface AclEntry {
  path: string
  type: 'user' | 'group' | 'token'
  /** Grantee: `user@realm`, name of a group, or `user@realm!tokenid`. */
  ugid: string
  roleid: string
  propagate?: 0 | 1
}

/** User and token of an identity, and which of them lacks a privilege. */
export interface Holders {
  user: string
  token: string | undefined
  /** False: only the token lacks it. Undefined: unknown without Sys.Audit on /access. */
  userLacks: boolean | undefined
  /** Entries that the identity may read. */
  acl: AclEntry[]
}

/**
 * Determines whether the user of the identity lacks one of the grants too, or only its token. If Proxmox refuses the
 * request, the answer is unknown; that is not an error.
 */
export async function findHolders(client: ProxmoxClient, missing: Grant[]): Promise<Holders> {
  const [user = '', tokenId] = client.identity.split('!')
  const token = tokenId === undefined ? undefined : client.identity
  const [userLacks, acl] = await Promise.all([
    token === undefined ? true : unlessStatus(403, lacksAny(client, user, missing), undefined),
    unlessStatus(403, client.request<AclEntry[]>('GET', '/access/acl'), undefined),
  ])
  return { user, token, userLacks, acl: acl ?? [] }
}

async function lacksAny(client: ProxmoxClient, user: string, missing: Grant[]): Promise<boolean> {
  const granted = await getGranted(client, [...new Set(missing.map(grant => grant.path))], user)
  return missing.some(grant => !granted.get(grant.path)?.has(grant.privilege))
}
