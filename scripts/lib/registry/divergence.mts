import { DAY_MS } from '../run/duration.mts'
import { displaced, type Places } from './check.mts'
import { type Entry, wasActive } from './entry.mts'

/** A VM of Proxmox, as `/cluster/resources` tells it. */
export interface SeenVm {
  vmid: number
  name?: string
  node: string
  status: string
  template?: number
  tags?: string
}

/** Everything that is held against each other. */
export interface Views extends Places {
  entries: Entry[]
  vms: SeenVm[]
  /** Folders of vms/ without an entry, and whether a local state in it has anything; undefined: nobody can tell. */
  folders: Map<string, { holdsState: boolean | undefined }>
  /** Versions of VM templates that were revoked, and why. */
  revoked: Map<string, string>
  siteTag: string
  now: Date
}

export type Fix = 'remove the folder' | 'power it off' | 'take the owner over' | 'tell the chain'

export interface Divergence {
  /** Of the VM or its folder. */
  name: string
  what: string
  /** What a person can do. */
  hint: string
  /** Where there is only one thing it can mean. */
  fix: Fix | undefined
}

/** Where registry, folders and Proxmox contradict each other. */
export function divergencesOf(views: Views): Divergence[] {
  const vms = new Map(views.vms.map(vm => [vm.vmid, vm]))
  const known = new Set(views.entries.map(({ vmid }) => vmid))
  return [
    ...views.entries.flatMap(entry => [
      ...divergenceOf(entry, vms.get(entry.vmid), views),
      ...outOfPlace(entry, views),
      ...onRevoked(entry, views),
      ...unopened(entry),
    ]),
    ...views.vms.filter(vm => isOrphan(vm, known, views)).map(orphan),
    ...orphanFolders(views),
  ]
}

function divergenceOf(entry: Entry, vm: SeenVm | undefined, { siteTag, now }: Views): Divergence[] {
  const { name, vmid, phase, address, createdAt } = entry
  const show = `zx scripts/vm.mts show ${name}`
  if (phase === 'reserved' && wasActive(entry)) {
    return [told(name, 'its rebuild is not finished', `zx scripts/apply.mts ${name}`)]
  }
  if (vm === undefined) {
    if (phase !== 'reserved') return [told(name, `VM ${vmid} is not in Proxmox, or cannot be seen`, show)]
    if (now.getTime() - Date.parse(createdAt) < DAY_MS) return []
    const hint = `zx scripts/apply.mts ${name}, or give it up: zx scripts/vm.mts destroy ${name}`
    return [told(name, `it is only reserved for more than a day, and holds ${address}`, hint)]
  }
  const differs = [
    vm.name === name ? '' : `is named ${vm.name ?? 'not at all'}`,
    phase === 'reserved' || tagsOf(vm).includes(siteTag) ? '' : `lacks the tag ${siteTag}`,
  ].filter(Boolean)
  if (differs.length > 0) return [told(name, `VM ${vmid} on ${vm.node} ${differs.join(' and ')}`, show)]
  if (phase === 'active' && vm.status !== 'running') {
    return [told(name, `it is active, and VM ${vmid} is ${vm.status}`, `zx scripts/apply.mts ${name}`)]
  }
  if (phase !== 'suspended' || vm.status !== 'running') return []
  const hint = `zx scripts/vm.mts resume ${name}, or --fix`
  return [{ name, what: `it is suspended, and VM ${vmid} is running`, hint, fix: 'power it off' }]
}

/** A step that failed, and a VM that runs without the token that is to open it. */
function unopened({ name, phase, failure, design, token }: Entry): Divergence[] {
  if (failure !== null) {
    return [
      told(name, `${failure.step} failed: ${failure.why.split('\n')[0]}`, `zx scripts/vm.mts show ${name}`),
    ]
  }
  if (phase !== 'active' || design?.access == null || token?.id != null) return []
  return [told(name, 'no wallet opens it: it has no token', `zx scripts/mint.mts --vm ${name}`)]
}

/** The ranges moved. Nobody changes anything of the VM for that: it has what it was made with. */
function outOfPlace(entry: Entry, places: Places): Divergence[] {
  return displaced(entry, places).map(what => told(entry.name, what, displacedHint(entry.name)))
}

/** What to do about a VM whose pool or range moved away. */
export function displacedHint(name: string): string {
  return (
    'put back in config/db.yaml what the VM has, and let new VMs have another pool (docs/vms.md, "When a pool moves"); ' +
    `or give it up: zx scripts/vm.mts destroy ${name}`
  )
}

function onRevoked({ name, template }: Entry, { revoked }: Views): Divergence[] {
  const reason = revoked.get(template?.version ?? '')
  if (reason === undefined) return []
  const what = `it is made from ${template!.version}, which is revoked: ${reason}`
  return [told(name, what, `zx scripts/vm.mts rebuild ${name}`)]
}

function isOrphan(vm: SeenVm, known: Set<number>, { siteTag, vmidRange: [first, last] }: Views): boolean {
  if (vm.template === 1 || vm.vmid < first || vm.vmid > last) return false
  return tagsOf(vm).includes(siteTag) && !known.has(vm.vmid)
}

function orphan({ vmid, name, node }: SeenVm): Divergence {
  const hint = 'was it made with another registry? If nobody needs it, destroy it in Proxmox'
  return told(
    name ?? String(vmid),
    `VM ${vmid} on ${node} has the tag of this site and is in no registry`,
    hint,
  )
}

function orphanFolders({ entries, folders }: Views): Divergence[] {
  const names = new Set(entries.map(({ name }) => name))
  return [...folders]
    .filter(([name]) => !names.has(name))
    .map(([name, { holdsState }]): Divergence => {
      const what = `vms/${name} is in no registry`
      if (holdsState === false) return { name, what, hint: '--fix removes it', fix: 'remove the folder' }
      return told(name, `${what}, and its state may have a VM`, `tofu -chdir=vms/${name} state list`)
    })
}

function told(name: string, what: string, hint: string): Divergence {
  return { name, what, hint, fix: undefined }
}

function tagsOf({ tags = '' }: SeenVm): string[] {
  return tags.split(/[;, ]/)
}
