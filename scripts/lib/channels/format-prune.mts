import type { PruneReport } from './prune.mts'

/** What went and what stayed, and why. */
export function formatPrune({ dryRun, removed, kept, foreign, notSeen }: PruneReport): string {
  const verb = dryRun ? 'would remove' : 'removed'
  const lines = [
    ...removed.map(
      ({ version, vmids }) =>
        `${verb} ${version} (${vmids.length === 0 ? 'its VMs are gone already' : `VM ${vmids.join(', ')}`})`,
    ),
    ...kept.map(({ version, reason }) => `kept ${version}: ${reason}`),
    ...foreign,
    ...notSeen,
  ]
  return lines.length === 0 ? 'no versions, nothing to prune' : lines.join('\n')
}
