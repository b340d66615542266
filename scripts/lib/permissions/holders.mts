import type { ProxmoxClient } from '../proxmox/client.mts'
import { unlessStatus } from '../proxmox/errors.mts'
import { getPermissions } from '../proxmox/get-permissions.mts'
import type { AclEntry } from './deciding-roles.mts'
import { type Granted, getGranted } from './granted.mts'
import type { Grant } from './needs.mts'

/** Everything that Proxmox needs to decide about a user and its token. */
export interface Standing {
  acl: AclEntry[]
  /** Groups of the user. */
  groups: string[]
  /** Whether the token has privilege separation. False without a token. */
  privsep: boolean
}

/** User and token of an identity, and what is known about them. */
export interface Holders {
  user: string
  token: string | undefined
  /** False: only the token lacks it. Undefined: unknown without Sys.Audit on /access. */
  userLacks: boolean | undefined
  /** Whether a token has no privilege on any path. */
  hasNothing: boolean
  /** Undefined: not all of it may be read. */
  standing: Standing | undefined
}

/** Names of user and token, with nothing known about them. */
export function unknownHolders(identity: string): Holders {
  const [user = '', tokenId] = identity.split('!')
  const token = tokenId === undefined ? undefined : identity
  const userLacks = token === undefined ? true : undefined
  return { user, token, userLacks, hasNothing: false, standing: undefined }
}

/**
 * Determines whether the user of the identity lacks one of the grants too, or only its token, and reads the ACL. If
 * Proxmox refuses a request, the answer is unknown; that is not an error.
 */
export async function findHolders(client: ProxmoxClient, missing: Grant[]): Promise<Holders> {
  const unknown = unknownHolders(client.identity)
  const { user, token } = unknown
  const [userLacks, own, standing] = await Promise.all([
    token === undefined ? true : unlessStatus(403, lacksAny(client, user, missing), undefined),
    getPermissions(client),
    readStanding(client, unknown),
  ])
  return { user, token, userLacks, hasNothing: token !== undefined && isEmpty(own), standing }
}

function isEmpty(tree: object): boolean {
  return Object.keys(tree).length === 0
}

async function lacksAny(client: ProxmoxClient, user: string, missing: Grant[]): Promise<boolean> {
  const granted = await getGranted(client, [...new Set(missing.map(grant => grant.path))], user)
  return missing.some(grant => !granted.get(grant.path)?.has(grant.privilege))
}

/**
 * Reads ACL, groups and token. `GET /access/acl` lists only the entries that the identity may change, without an error,
 * unless it has Sys.Audit on /access. So without that privilege nothing is concluded from the list.
 */
async function readStanding(
  client: ProxmoxClient,
  { user, token }: Pick<Holders, 'user' | 'token'>,
): Promise<Standing | undefined> {
  if (!mayAudit(await getGranted(client, ['/access']))) return undefined
  const [acl, account] = await Promise.all([
    client.request<AclEntry[]>('GET', '/access/acl'),
    unlessStatus(403, getAccount(client, user), undefined),
  ])
  if (account === undefined) return undefined
  const tokenId = token?.split('!')[1]
  const privsep = tokenId === undefined ? 0 : account.tokens?.[tokenId]?.privsep
  // Proxmox writes the flag as a number or as a text.
  return { acl, groups: account.groups ?? [], privsep: Number(privsep ?? 0) === 1 }
}

function mayAudit(granted: Granted): boolean {
  return granted.get('/access')?.has('Sys.Audit') ?? false
}

interface Account {
  groups?: string[]
  tokens?: Record<string, { privsep?: number | string }> | null
}

function getAccount(client: ProxmoxClient, user: string): Promise<Account> {
  return client.request('GET', `/access/users/${encodeURIComponent(user)}`)
}
