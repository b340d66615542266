import type { ProxmoxClient } from './client.mts'
import { objectOf } from './shape.mts'

/** `{path: {privilege: propagate}}`; propagate 1: the privilege also holds below the path. */
export type PermissionTree = Record<string, Record<string, 0 | 1>>

/**
 * GET /access/permissions.
 * @param filter `userid`: whose privileges (default: the client's identity; others need Sys.Audit on /access). `path`:
 * only this path (default: every path that has an ACL).
 * @returns Paths with at least one privilege.
 */
export function getPermissions(
  client: ProxmoxClient,
  filter: { path?: string | undefined; userid?: string | undefined } = {},
): Promise<PermissionTree> {
  return objectOf(
    'GET /access/permissions',
    client.request<PermissionTree>('GET', '/access/permissions', filter),
  )
}
