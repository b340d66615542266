/** VMs of this site in Proxmox that the registry does not have: it is lost, or it is another clone's. */
import type { PoolConfig } from '../config/pools.mts'
import { counted } from '../run/counted.mts'
import type { Entry } from './entry.mts'

/** VM in Proxmox, as `/cluster/resources` reports it. */
export interface SeenVm {
  vmid: number
  name?: string
  node: string
  status: string
  template?: number
  tags?: string
}

/** What is compared to find them. */
interface SiteViews extends Pick<PoolConfig, 'vmidRange'> {
  entries: Pick<Entry, 'vmid'>[]
  vms: SeenVm[]
  /** `proxmint-SITE`. */
  siteTag: string
}

/** Hint for VMs that are unknown. @param them `it` or `them`. */
export function takeUpHint(them: string): string {
  return (
    `take ${them} up: zx scripts/vm.mts adopt --site; or restore a backup of the registry that has ${them}: ` +
    `zx scripts/registry.mts restore FILE. Another clone of the repository may have ${them} in its own registry`
  )
}

/** Lists VMs with the tag of the site and no entry. VM templates, and VMs beyond `vmid_range`, are not among them. */
export function vmsWithoutEntry({ entries, vms, siteTag, vmidRange: [first, last] }: SiteViews): SeenVm[] {
  const known = new Set(entries.map(({ vmid }) => vmid))
  return vms.filter(vm => {
    const isVm = vm.template !== 1 && vm.vmid >= first && vm.vmid <= last
    return isVm && tagsOf(vm).includes(siteTag) && !known.has(vm.vmid)
  })
}

/** Says how many VMs are unknown, and what to do; undefined if there are none. */
export function unknownText(views: SiteViews): string | undefined {
  const unknown = vmsWithoutEntry(views)
  if (unknown.length === 0) return undefined
  const [carry, them] = unknown.length === 1 ? ['carries', 'it'] : ['carry', 'them']
  const has = views.entries.length === 0 ? 'has no VM' : `does not have ${them}`
  const names = unknown.map(({ name, vmid }) => `${name ?? '(no name)'} (${vmid})`).join(', ')
  const what = `${counted(unknown.length, 'VM')} in Proxmox ${carry} the tag ${views.siteTag}, and the registry here ${has}`
  return `${what}: ${names}. To ${takeUpHint(them!)}`
}

export function tagsOf({ tags = '' }: SeenVm): string[] {
  return tags.split(/[;, ]/)
}
