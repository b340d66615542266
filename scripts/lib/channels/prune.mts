import { siteTagOf } from '../config/site-tag.mts'
import { deleteVm } from '../proxmox/delete-vm.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { findVmStatus } from '../proxmox/get-vm-status.mts'
import { listVmPlaces, type VmPlace } from '../proxmox/list-vms.mts'
import { waitForTask } from '../proxmox/task.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { DAY_MS } from '../run/duration.mts'
import { interrupted, messageOf, ProxmintError } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import { type Connection, cleaningOf } from '../site/connect.mts'
import { removeLeftovers } from '../site/remove-leftovers.mts'
import { familyIn, forget } from '../templates/channels.mts'
import { lockfilePath, readLockfile, updateLockfile } from '../templates/lockfile.mts'
import { removePackages } from '../templates/packages.mts'
import { type PrunePlan, planPrune } from '../templates/prune-plan.mts'
import { type TemplateCopy, type TemplateVersion, versionsOf } from '../templates/version.mts'
import { mirror } from './mirror.mts'
import { findUses } from './prune-uses.mts'

/** Default of `--min-age`: one week. */
export const DEFAULT_MIN_AGE_MS = 7 * DAY_MS

interface PruneOptions {
  /** Empty: all families that have versions. */
  families: string[]
  keep: number
  minAgeMs: number
  dryRun: boolean
}

interface PruneReport {
  dryRun: boolean
  /** Removed versions; with `dryRun` those that would be removed. */
  removed: { os: string; version: string; vmids: number[] }[]
  kept: PrunePlan['keep']
  /** Sentences about VMs with a VMID of the lockfile but without its build id. They stay. */
  foreign: string[]
  /** Sentences about places that were not searched for users. */
  notSeen: string[]
}

/**
 * Removes unused versions that are in no channel. The lockfile forgets a version only after Proxmox has confirmed that
 * its VM templates are gone.
 */
export async function pruneTemplates(
  connection: Connection,
  options: PruneOptions,
  signal: AbortSignal,
): Promise<PruneReport> {
  if (!options.dryRun) {
    for (const line of await removeLeftovers(cleaningOf(connection))) say(line)
  }
  const families = await readLockfile(lockfilePath())
  for (const os of options.families) familyIn(families, os)
  const { uses, notSeen } = await findUses(connection, lockfilePath(), families)
  const names = options.families.length > 0 ? options.families : Object.keys(families)
  const plan = planPrune(families, uses, { ...options, families: names, now: new Date() })
  checkpoint('prune-planned')
  const report: PruneReport = {
    dryRun: options.dryRun,
    removed: [],
    kept: [...plan.keep],
    foreign: [],
    notSeen,
  }
  for (const { os, version } of plan.remove) {
    if (signal.aborted) throw interrupted('templates prune')
    await removeVersion(connection, os, version, report)
  }
  if (!options.dryRun) await mirror(connection)
  return report
}

/**
 * Removes the VM templates of every version, also of those in a channel: for a site that is given up with its lockfile.
 * Who uses them is not looked at.
 */
export async function removeAllVersions(connection: Connection): Promise<PruneReport> {
  const report: PruneReport = { dryRun: false, removed: [], kept: [], foreign: [], notSeen: [] }
  for (const [os, family] of Object.entries(await readLockfile(lockfilePath()))) {
    for (const version of versionsOf(family)) await removeVersion(connection, os, version, report)
  }
  return report
}

/** Removes all copies of a version, then the version. Keeps the version if a copy may still exist. */
async function removeVersion(
  connection: Connection,
  os: string,
  version: TemplateVersion,
  report: PruneReport,
): Promise<void> {
  const vms = await listVmPlaces(connection.client)
  const removed: number[] = []
  for (const copy of version.copies) {
    try {
      const finding = await lookAt(connection, os, version, copy, vms)
      if (finding.kind === 'foreign') report.foreign.push(finding.fault)
      if (finding.kind === 'altered') throw new ProxmintError(finding.fault)
      if (finding.kind !== 'ours') continue
      if (!report.dryRun) await remove(connection, copy)
      removed.push(copy.vmid)
    } catch (error) {
      report.kept.push({ os, version: version.name, reason: messageOf(error) })
      return
    }
  }
  if (!report.dryRun) await forgetVersion(os, version.name)
  report.removed.push({ os, version: version.name, vmids: removed })
}

async function remove({ client, config }: Connection, copy: TemplateCopy): Promise<void> {
  const timeoutMs = config.taskTimeoutSeconds * 1000
  await waitForTask(client, await deleteVm(client, copy), { timeoutMs })
  checkpoint('prune-deleted')
}

async function forgetVersion(os: string, name: string): Promise<void> {
  await updateLockfile(lockfilePath(), `forget ${name}`, families => forget(families, os, name))
  await removePackages(lockfilePath(), name)
  checkpoint('prune-forgotten')
}

/** State of the VM with a copy's VMID. `foreign`: another VM; `altered`: the built VM with another name or tags. */
type Finding = { kind: 'gone' | 'ours' } | { kind: 'foreign' | 'altered'; fault: string }

async function lookAt(
  { client, config }: Connection,
  os: string,
  { name }: TemplateVersion,
  copy: TemplateCopy,
  vms: VmPlace[],
): Promise<Finding> {
  const listed = vms.find(candidate => candidate.vmid === copy.vmid)
  // `findVmStatus` throws for a missing privilege: it must not look like a missing VM.
  if (listed === undefined && (await findVmStatus(client, copy)) === undefined) return { kind: 'gone' }
  const found = await getVmConfig(client, listed ?? copy)
  if (!String(found['description'] ?? '').includes(copy.buildId)) {
    const fault = `VM ${copy.vmid} is not ${name}: its description lacks the build id ${copy.buildId}; left alone`
    return { kind: 'foreign', fault }
  }
  const tags = String(found['tags'] ?? '').split(';')
  const hasTags = tags.includes(siteTagOf(config)) && tags.includes(os)
  const faults = [
    found['name'] === name ? '' : `is named ${found['name']}`,
    found['template'] === 1 ? '' : 'is not a VM template',
    hasTags ? '' : `lacks the tags ${siteTagOf(config)} and ${os}`,
  ].filter(fault => fault !== '')
  if (faults.length === 0) return { kind: 'ours' }
  return {
    kind: 'altered',
    fault: `VM ${copy.vmid} has its build id, but ${faults.join(', ')}; left alone`,
  }
}

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
