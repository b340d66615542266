import type { PruneReport } from './prune.mts'

/** Text of the report: removed and kept versions, with reasons. */
export function formatPrune({ dryRun, removed, kept, foreign, notSeen }: PruneReport): string {
  const verb = dryRun ? 'would remove' : 'removed'
  const lines = [
    ...removed.map(
      ({ version, vmids }) =>
        `${verb} ${version} (${vmids.length === 0 ? 'its VMs are already gone' : `VM ${vmids.join(', ')}`})`,
    ),
    ...kept.map(({ version, reason }) => `kept ${version}: ${reason}`),
    ...foreign,
    ...notSeen,
  ]
  return lines.length === 0 ? 'no versions, nothing to prune' : lines.join('\n')
}
