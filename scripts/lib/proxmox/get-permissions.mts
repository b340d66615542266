import type { ProxmoxClient } from './client.mts'

/** `{path: {privilege: propagate}}`: 1 where the privilege also holds below the path. */
export type PermissionTree = Record<string, Record<string, 0 | 1>>

/**
 * GET /access/permissions: what the asking identity has itself, or `userid` has (that needs Sys.Audit on
 * /access). With `path`, what holds on just that path; without it, on every path that has an ACL of its own.
 * Paths without any privilege are left out.
 */
export function getPermissions(
  client: ProxmoxClient,
  filter: { path?: string | undefined; userid?: string | undefined } = {},
): Promise<PermissionTree> {
  return client.request('GET', '/access/permissions', filter)
}
