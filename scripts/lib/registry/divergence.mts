import { siteTagOf } from '../config/site-tag.mts'
import type { VmSummary } from '../proxmox/list-vms.mts'
import { tagsIn } from '../proxmox/tags.mts'
import { DAY_MS } from '../run/duration.mts'
import { displaced, type Places } from './check.mts'
import { type Entry, isToRun, wasActive } from './entry.mts'
import { type SiteConfig, takeUpHint, vmsWithoutEntry } from './unknown-vms.mts'

/** Contradictions between registry, folders and Proxmox, found by `reconcile`. */

/** Everything that is compared. */
export interface Views extends Places {
  entries: Entry[]
  vms: VmSummary[]
  /** Folders of vms/ without an entry. `holdsState`: their state has resources; undefined: that is not known. */
  folders: Map<string, { holdsState: boolean | undefined }>
  /** Reasons by name of the version, for revoked versions of VM templates. */
  revoked: Map<string, string>
  config: SiteConfig
  now: Date
}

export type Fix =
  | 'remove the folder'
  | 'remove the user-data'
  | 'power it off'
  | 'take the owner over'
  | 'tell the chain'

export interface Divergence {
  /** Name of the VM or its folder. */
  name: string
  what: string
  /** Advice for a person. */
  hint: string
  /** Repair that `--fix` makes; undefined if several repairs are possible. */
  fix: Fix | undefined
}

/** Lists the contradictions between registry, folders and Proxmox. */
export function divergencesOf(views: Views): Divergence[] {
  const vms = new Map(views.vms.map(vm => [vm.vmid, vm]))
  return [
    ...views.entries.flatMap(entry => [
      ...divergenceOf(entry, vms.get(entry.vmid), views),
      ...outOfPlace(entry, views),
      ...onRevoked(entry, views),
      ...unopened(entry),
    ]),
    ...vmsWithoutEntry(views).map(unknown),
    ...orphanFolders(views),
  ]
}

function divergenceOf(entry: Entry, vm: VmSummary | undefined, { config, now }: Views): Divergence[] {
  const siteTag = siteTagOf(config)
  const { name, vmid, phase, address, createdAt } = entry
  const show = `zx scripts/vm.mts show ${name}`
  if (entry.rebuild !== undefined || (phase === 'reserved' && wasActive(entry))) {
    const kind = entry.rebuild?.kind ?? 'rebuild'
    return [told(name, `its ${kind} is not finished`, `zx scripts/apply.mts ${name}`)]
  }
  if (entry.restoring !== undefined) {
    return [told(name, 'its restore is not finished', `zx scripts/vm.mts restore ${name}`)]
  }
  if (vm === undefined) {
    if (phase !== 'reserved') return [told(name, `VM ${vmid} is not in Proxmox, or cannot be seen`, show)]
    if (now.getTime() - Date.parse(createdAt) < DAY_MS) return []
    const hint = `zx scripts/apply.mts ${name}, or give it up: zx scripts/vm.mts destroy ${name}`
    return [told(name, `it was reserved more than a day ago, was never created and holds ${address}`, hint)]
  }
  if (vm.status === 'unknown') {
    const hint = `nothing is known of it now: is ${vm.node} on? Then: zx scripts/reconcile.mts`
    return [told(name, `VM ${vmid} is on ${vm.node}, which says nothing about it`, hint)]
  }
  const differs = [
    vm.name === name ? '' : `is named ${vm.name ?? '(no name)'}`,
    phase === 'reserved' || entry.foreign || tagsIn(vm.tags ?? '').includes(siteTag)
      ? ''
      : `lacks the tag ${siteTag}`,
  ].filter(Boolean)
  if (differs.length > 0) return [told(name, `VM ${vmid} on ${vm.node} ${differs.join(' and ')}`, show)]
  if (isToRun(entry) && vm.status !== 'running') {
    return [told(name, `it is active, but VM ${vmid} is ${vm.status}`, `zx scripts/apply.mts ${name}`)]
  }
  if (vm.status !== 'running') return []
  if (phase === 'active' && entry.stopped !== undefined) {
    const hint = `zx scripts/vm.mts start ${name} leaves it on, zx scripts/vm.mts stop ${name} powers it off`
    return [told(name, `\`vm stop\` powered it off, but VM ${vmid} is running`, hint)]
  }
  if (phase !== 'suspended') return []
  const hint = `zx scripts/vm.mts resume ${name}, or --fix`
  return [{ name, what: `it is suspended, but VM ${vmid} is running`, hint, fix: 'power it off' }]
}

/** A failed step, or an active VM whose token is missing. */
function unopened({ name, phase, failure, design, token }: Entry): Divergence[] {
  if (failure !== null) {
    return [
      told(name, `${failure.step} failed: ${failure.why.split('\n')[0]}`, `zx scripts/vm.mts show ${name}`),
    ]
  }
  if (phase !== 'active' || design?.access == null || token?.id != null) return []
  return [
    told(
      name,
      'it has no token, so no wallet can open it',
      `zx scripts/mint.mts --vm ${name} --allow reboot`,
    ),
  ]
}

/** Values outside of the configured ranges, which were changed after the VM was created. The VM keeps its values. */
function outOfPlace(entry: Entry, places: Places): Divergence[] {
  return displaced(entry, places).map(what => told(entry.name, what, displacedHint(entry.name)))
}

/** Advice for a VM whose pool or VMID range was changed in config/db.yaml. */
export function displacedHint(name: string): string {
  return (
    'restore the old values in config/db.yaml, and give new VMs another pool (docs/vms.md, "When a pool moves"); ' +
    `or give the VM up: zx scripts/vm.mts destroy ${name}`
  )
}

function onRevoked({ name, template }: Entry, { revoked }: Views): Divergence[] {
  const reason = revoked.get(template?.version ?? '')
  if (reason === undefined) return []
  const what = `it is made from ${template!.version}, which is revoked: ${reason}`
  return [told(name, what, `zx scripts/vm.mts rebuild ${name}`)]
}

function unknown({ vmid, name, node }: VmSummary): Divergence {
  return told(
    name ?? String(vmid),
    `VM ${vmid} on ${node} has the tag of this site, but is not in the registry`,
    takeUpHint('it'),
  )
}

function orphanFolders({ entries, folders }: Views): Divergence[] {
  const names = new Set(entries.map(({ name }) => name))
  return [...folders]
    .filter(([name]) => !names.has(name))
    .map(([name, { holdsState }]): Divergence => {
      const what = `the folder vms/${name} belongs to no VM of the registry`
      if (holdsState === false) return { name, what, hint: '--fix removes it', fix: 'remove the folder' }
      return told(name, `${what}, but its state may contain a VM`, `tofu -chdir=vms/${name} state list`)
    })
}

function told(name: string, what: string, hint: string): Divergence {
  return { name, what, hint, fix: undefined }
}
