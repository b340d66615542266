/** The root disk from before a rebuild, when nobody keeps it any more. */
import { digestOf } from '../../proxmox/get-vm-config.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { withoutPrevious } from '../../registry/rebuild.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { requireNoBarrier } from '../look/barriers.mts'
import { followVm } from '../look/locate.mts'
import { unusedSlotOf } from './plan.mts'

/** Removes the root disk of before. The caller holds the VM's lock. */
export async function expirePrevious(entry: Entry, { store, connection }: VmContext): Promise<Entry> {
  const { volume, version } = entry.previous!
  const isRemoved = await removeUnused(entry, volume, connection)
  checkpoint('vm-previous-removed')
  const what = isRemoved
    ? `the root disk with ${version} is deleted`
    : `${volume} is not an unused disk any more`
  return store.change(entry, one => withoutPrevious(one, what, new Date()))
}

/**
 * Deletes a volume only if it is an unused disk of the VM.
 * @returns whether it was.
 * @throws ProxmintError as `requireNoBarrier`: Proxmox deletes no disk of a protected VM.
 */
export async function removeUnused(entry: Entry, volume: string, connection: Connection): Promise<boolean> {
  const { vm, config } = await followVm(connection, entry)
  if (vm === undefined || config === undefined) return false
  const slot = unusedSlotOf(config, volume)
  if (slot === undefined) {
    say(`${volume} of ${entry.name} is not an unused disk any more; it is left alone`)
    return false
  }
  requireNoBarrier(entry.name, vm)
  await updateVmConfig(connection.client, vm, { delete: slot, ...digestOf(config) })
  return true
}
