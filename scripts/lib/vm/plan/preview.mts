import type { Entry } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import type { Site } from '../../site/site.mts'
import type { VmWishes } from './design.mts'
import { type DraftVm, draftVm, placeVm } from './draft.mts'
import { requireLogin, sayOwnKey } from './logins.mts'

/** Drafts of the VMs of one `vm create`. */
interface Drafts {
  /** VMs that cannot be had as they are wished, and why. */
  faults: { name: string; error: unknown }[]
  /** The draft of a VM. @throws its fault. */
  of(name: string): Promise<DraftVm>
}

/** Drafts VMs once, before anybody logs in. Those that exist are drafted only if they are asked for. */
export async function draftVms(
  wanted: ReadonlyMap<string, VmWishes>,
  site: Site,
  store: RegistryStore,
): Promise<Drafts> {
  const drafts = new Map<string, Promise<DraftVm>>()
  const draftOf = (name: string): Promise<DraftVm> => {
    const draft = drafts.get(name) ?? checkedDraft(site, name, wanted.get(name)!)
    drafts.set(name, draft)
    return draft
  }
  const known = new Set((await store.list()).map(({ name }) => name))
  const fresh = [...wanted.keys()].filter(name => !known.has(name))
  const preview = async (names: string[]) => {
    const all = await Promise.all(names.map(draftOf))
    await previewDrafts(all, { node: '', storagePool: '' }, site, store)
    return all
  }
  const faults: Drafts['faults'] = []
  // Which of several it is, is looked for only where something is wrong.
  await preview(fresh).then(sayOwnKeys, async () => {
    for (const name of fresh) await preview([name]).catch(error => faults.push({ name, error }))
  })
  return {
    faults,
    async of(name) {
      const fault = faults.find(one => one.name === name)
      if (fault !== undefined) throw fault.error
      return draftOf(name)
    },
  }
}

/** Prints which key of the person the VMs get. */
export function sayOwnKeys(drafts: DraftVm[]): void {
  const withOwn = drafts.filter(({ ownKeyFile }) => ownKeyFile !== undefined)
  if (withOwn[0] === undefined) return
  sayOwnKey(
    withOwn.map(({ name }) => name),
    withOwn[0].ownKeyFile!,
  )
}

async function checkedDraft(site: Site, name: string, wishes: VmWishes): Promise<DraftVm> {
  const draft = await draftVm(site, name, wishes)
  await requireLogin(draft, draft.design, site)
  return draft
}

/**
 * Asks the registry which VMIDs and addresses VMs would get; nothing is written.
 * @param place of those for which no node is wished.
 * @throws ProxmintError as `RegistryStore.reserve`.
 */
export async function previewDrafts(
  drafts: DraftVm[],
  place: { node: string; storagePool: string },
  site: Pick<Site, 'pools'>,
  store: RegistryStore,
): Promise<Entry[]> {
  const { vmidRange, quotas } = await site.pools()
  // Only Proxmox knows where most memory is free.
  const nodeOf = ({ node }: DraftVm) => (node === undefined || node === 'auto' ? place.node : node)
  const placed = drafts.map(draft => placeVm(draft, nodeOf(draft), place.storagePool, new Date()))
  return store.preview(placed, { vmidRange, quotas, takenVmids: new Set<number>(), now: new Date() })
}
