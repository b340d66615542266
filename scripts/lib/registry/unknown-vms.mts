/** VMs of this site in Proxmox that the registry does not have: it is lost, or it is another clone's. */
import type { Config } from '../config/load.mts'
import { siteTagOf } from '../config/site-tag.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { describeVms, listVmPlaces, type VmPlace, type VmSummary } from '../proxmox/list-vms.mts'
import { tagsIn } from '../proxmox/tags.mts'
import { counted } from '../run/counted.mts'
import type { Entry } from './entry.mts'
import { idInMark } from './identity.mts'
import { vmidsOf } from './rebuild.mts'

/** VM, with its template flag where that is known. */
type SiteVm = VmPlace & Pick<VmSummary, 'template'>

/** What is compared to find them. */
interface SiteViews<V extends SiteVm> {
  entries: Pick<Entry, 'vmid' | 'rebuild'>[]
  vms: V[]
  config: SiteConfig
}

/** What of the config tells VMs of this site from all others. */
export type SiteConfig = Pick<Config, 'site' | 'templateVmidRange' | 'baseVmidRange'>

/** Hint for VMs that are unknown. @param them `it` or `them`. */
export function takeUpHint(them: string): string {
  return (
    `take ${them} up: zx scripts/vm.mts adopt --site; or restore a backup of the registry that has ${them}: ` +
    `zx scripts/registry.mts restore FILE. Another clone of the repository may have ${them} in its own registry`
  )
}

/**
 * Lists VMs with the tag of the site and no entry, whatever `vmid_range` is by now. VM templates, VMs from which they are
 * made, and spare VMs of rebuilds are not among them.
 */
export function vmsWithoutEntry<V extends SiteVm>({ entries, vms, config }: SiteViews<V>): V[] {
  const known = new Set(entries.flatMap(vmidsOf))
  const siteTag = siteTagOf(config)
  return vms.filter(
    vm => !isForTemplates(vm, config) && tagsIn(vm.tags ?? '').includes(siteTag) && !known.has(vm.vmid),
  )
}

/** Asks Proxmox for the same: one request, and one more for each node that has such a VM. */
export async function findVmsWithoutEntry(
  client: ProxmoxClient,
  { entries, config }: Omit<SiteViews<never>, 'vms'>,
): Promise<VmSummary[]> {
  const places = vmsWithoutEntry({ entries, config, vms: await listVmPlaces(client) })
  const unknown = vmsWithoutEntry({ entries, config, vms: await describeVms(client, places) })
  const clones = await handClonesAmong(client, unknown)
  return unknown.filter(vm => !clones.has(vm))
}

/**
 * Leaves out what a person cloned from a VM template: it has the tag of the site from there, and no id in its notes. Only
 * configs of VMs without an entry are read. One that cannot be read counts as the site's.
 */
export async function withoutHandClones<V extends SiteVm>(
  client: ProxmoxClient,
  views: SiteViews<V>,
): Promise<V[]> {
  const clones = await handClonesAmong(client, vmsWithoutEntry(views))
  return views.vms.filter(vm => !clones.has(vm))
}

async function handClonesAmong<V extends SiteVm>(client: ProxmoxClient, unknown: V[]): Promise<Set<V>> {
  const isClone = async ({ node, vmid }: V): Promise<boolean> => {
    const config = await getVmConfig(client, { node, vmid }).catch(() => undefined)
    return config !== undefined && idInMark(String(config['description'] ?? '')) === undefined
  }
  const found = await Promise.all(unknown.map(async vm => ((await isClone(vm)) ? [vm] : [])))
  return new Set(found.flat())
}

function isForTemplates(
  { template, vmid }: SiteVm,
  { templateVmidRange, baseVmidRange }: SiteConfig,
): boolean {
  return (
    template === 1 ||
    [templateVmidRange, baseVmidRange].some(([first, last]) => vmid >= first && vmid <= last)
  )
}

/** Says how many VMs are unknown, and what to do; undefined if there are none. */
export function unknownText(views: SiteViews<VmSummary>): string | undefined {
  const unknown = vmsWithoutEntry(views)
  if (unknown.length === 0) return undefined
  const [carry, them] = unknown.length === 1 ? ['carries', 'it'] : ['carry', 'them']
  const has = views.entries.length === 0 ? 'has no VM' : `does not have ${them}`
  const names = unknown.map(({ name, vmid }) => `${name ?? '(no name)'} (${vmid})`).join(', ')
  const what = `${counted(unknown.length, 'VM')} in Proxmox ${carry} the tag ${siteTagOf(views.config)}, and the registry here ${has}`
  return `${what}: ${names}. To ${takeUpHint(them!)}`
}
