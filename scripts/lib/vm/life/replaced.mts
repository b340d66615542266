import { cleared, type Entry } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import type { VmContext } from '../context.mts'
import { locateVm } from '../look/locate.mts'
import { removeFromProxmox } from './destroy.mts'
import { noteFailure } from './failure.mts'

/**
 * Removes the VM that an entry had before it was to be rebuilt; whoever calls it holds the VM's lock. Only when
 * Proxmox has confirmed that it is gone the entry is as one that was just reserved. Until then nobody could tell an
 * old VM from a new one: both have its name, its VMID and its id in their notes.
 */
export async function removeReplaced(entry: Entry, { store, connection, signal }: VmContext): Promise<Entry> {
  const { name } = entry
  try {
    // Of a VM that was only reserved, another one under its number would be passed over.
    await locateVm(connection, entry)
    await removeFromProxmox(connection, entry, signal)
  } catch (error) {
    await noteFailure(store, entry, 'rebuild', error)
    throw error
  }
  const after = await store.change(name, one => cleared(one, new Date()))
  checkpoint('vm-rebuild-cleared')
  return after
}
