import { readFile } from 'node:fs/promises'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getPermissions, type PermissionTree } from '../proxmox/get-permissions.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { isObject } from '../run/is-object.mts'
import type { Grant, Need } from './needs.mts'

/** Privileges by path, only for the paths that were asked for. */
export type Granted = Map<string, Set<string>>

/** Paths of all alternatives, without duplicates. */
export function pathsOf(needs: Need[]): string[] {
  return [...new Set(needs.flatMap(need => need.alternatives.flat().map(grant => grant.path)))]
}

/** Asks Proxmox for each path by name, since an ACL on a lower path can take away what a higher one grants. */
export async function getGranted(client: ProxmoxClient, paths: string[], userid?: string): Promise<Granted> {
  const trees = await Promise.all(paths.map(path => getPermissions(client, { path, userid })))
  return new Map(paths.map((path, index) => [path, new Set(Object.keys(trees[index]?.[path] ?? {}))]))
}

/** Paths that an answer of Proxmox always contains if any privilege is granted on them. */
const ALWAYS_NAMED = new Set(['/', '/nodes', '/sdn', '/storage', '/vms'])

/**
 * Reads a saved answer of `pveum user permissions USER --output-format json`. It contains only Proxmox's own paths and
 * paths with an ACL. For other paths the nearest path above decides, with the privileges that propagate.
 */
export function grantedFrom(tree: PermissionTree, paths: string[]): Granted {
  return new Map(paths.map(path => [path, inherited(tree, path)]))
}

function inherited(tree: PermissionTree, path: string): Set<string> {
  const own = tree[path]
  if (own !== undefined) return new Set(Object.keys(own))
  const above = ALWAYS_NAMED.has(path) ? undefined : parentOf(path)
  if (above === undefined) return new Set()
  return new Set([...inherited(tree, above)].filter(privilege => tree[above]?.[privilege] !== 0))
}

function parentOf(path: string): string | undefined {
  if (path === '/') return undefined
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

/** Loads a saved answer. @throws ProxmintError (usage) If the file is missing or has another form. */
export async function loadPermissionTree(file: string): Promise<PermissionTree> {
  const text = await readFile(file, 'utf8').catch(cause => {
    throw notATree(file, cause)
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw notATree(file, cause)
  }
  if (!isTree(value)) throw notATree(file, undefined)
  return value
}

function isTree(value: unknown): value is PermissionTree {
  if (!isObject(value)) return false
  return Object.entries(value).every(([path, grants]) => path.startsWith('/') && isObject(grants))
}

function notATree(file: string, cause: unknown): ProxmintError {
  return new ProxmintError(`${file} does not hold saved permissions`, {
    hint: "on the node: pveum user permissions 'USER@REALM!TOKENID' --output-format json > FILE",
    cause,
    exitCode: exitCodes.usage,
  })
}

export function isGranted(granted: Granted, { path, privilege }: Grant): boolean {
  return granted.get(path)?.has(privilege) ?? false
}
