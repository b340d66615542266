import { type Granted, isGranted } from './granted.mts'
import type { Grant, Need } from './needs.mts'

export interface PermissionReport {
  /** Owner of the privileges: `user@realm!tokenid` or `user@realm`. */
  identity: string
  pveMajor: number
  granted: { need: Need; by: Grant[] }[]
  /** The work fails without these. `add` has the missing grants of the alternative that lacks fewest. */
  missing: { need: Need; add: Grant[] }[]
  /** The work succeeds without these. */
  optional: { need: Need; add: Grant[] }[]
}

/** Compares needs with grants. */
export function comparePermissions(
  identity: string,
  pveMajor: number,
  needs: Need[],
  granted: Granted,
): PermissionReport {
  const report: PermissionReport = { identity, pveMajor, granted: [], missing: [], optional: [] }
  for (const need of needs) {
    const by = need.alternatives.find(grants => grants.every(grant => isGranted(granted, grant)))
    if (by !== undefined) report.granted.push({ need, by })
    else {
      const list = need.without === undefined ? report.missing : report.optional
      list.push({ need, add: smallestAddition(need, granted) })
    }
  }
  return report
}

function smallestAddition(need: Need, granted: Granted): Grant[] {
  const additions = need.alternatives.map(grants => grants.filter(grant => !isGranted(granted, grant)))
  return additions.reduce((best, addition) => (addition.length < best.length ? addition : best))
}

/** Privileges by path, without duplicates, sorted. */
export function byPath(grants: Grant[]): Map<string, string[]> {
  const paths = new Map<string, Set<string>>()
  for (const { path, privilege } of grants) {
    if (!paths.has(path)) paths.set(path, new Set())
    paths.get(path)!.add(privilege)
  }
  return new Map([...paths].sort().map(([path, privileges]) => [path, [...privileges].sort()]))
}
