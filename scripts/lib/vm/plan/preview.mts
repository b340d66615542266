import type { Entry } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import type { Site } from '../../site/site.mts'
import { userDataOf } from '../stack/user-data.mts'
import type { VmWishes } from './design.mts'
import { type VmPlace, wantedVm } from './reserve.mts'

/**
 * Designs VMs as far as that needs no question to Proxmox; nothing is written.
 * @throws ProxmintError for what cannot be had.
 */
export async function previewVms(
  wanted: ReadonlyMap<string, VmWishes>,
  place: VmPlace,
  store: RegistryStore,
): Promise<Entry[]> {
  const { site } = place
  const [pools, defaults] = await Promise.all([site.pools(), site.vmDefaults()])
  const designed = await Promise.all(
    Array.from(wanted, async ([name, wishes]) => {
      // Only Proxmox knows where most memory is free.
      const placed = wishes.node === 'auto' ? { ...wishes, node: undefined } : wishes
      const one = await wantedVm(place, pools, defaults, name, placed)
      await userDataOf(site, one, one.design)
      return one
    }),
  )
  const limits = { vmidRange: pools.vmidRange, takenVmids: new Set<number>(), now: new Date() }
  return store.preview(designed, limits)
}

/** A VM that cannot be had as it is wished, and why. */
export interface FaultyWishes {
  name: string
  error: unknown
}

/** Lists the VMs whose names or options are wrong, before anybody logs in. Those that exist are left out. */
export async function faultyWishes(
  wanted: ReadonlyMap<string, VmWishes>,
  site: Site,
  store: RegistryStore,
): Promise<FaultyWishes[]> {
  const place = { site, config: await site.config(), credentials: { node: '', storagePool: '' } }
  const known = new Set((await store.list()).map(({ name }) => name))
  const fresh = [...wanted].filter(([name]) => !known.has(name))
  const faults: FaultyWishes[] = []
  // Which of several it is, is looked for only where something is wrong.
  const each = async (): Promise<void> => {
    for (const [name, wishes] of fresh) {
      await previewVms(new Map([[name, wishes]]), place, store).catch(error => faults.push({ name, error }))
    }
  }
  await previewVms(new Map(fresh), place, store).catch(each)
  return faults
}
