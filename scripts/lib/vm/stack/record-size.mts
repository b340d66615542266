import { isDeepStrictEqual } from 'node:util'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { type Entry, type VmDesign, withEvent } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { say } from '../../run/progress.mts'
import { withDisksIn } from '../shape/data-disks.mts'
import { withDevicesIn } from '../shape/devices.mts'
import { sizeOf } from './keep.mts'

/**
 * Writes down that somebody grew the root disk in Proxmox: a disk cannot shrink, so nothing asks for less any more.
 * @returns the entry with the size that the disk has.
 */
export async function recordSize(
  entry: Entry,
  config: VmConfig,
  store: Pick<RegistryStore, 'change'>,
): Promise<Entry> {
  const size = sizeOf(config)
  const { design, name } = entry
  if (design === null || size === undefined || size <= design.disk) return entry
  const what = `its disk was grown from ${design.disk} to ${size} GiB in Proxmox`
  say(`${name}: ${what}; that is written down`)
  await store.change(entry, one =>
    one.design === null
      ? one
      : withEvent({ ...one, design: { ...one.design, disk: size } }, what, new Date()),
  )
  return { ...entry, design: { ...design, disk: size } }
}

/**
 * Writes down what Proxmox has of the data disks and of mapped devices: what was attached, a size that somebody grew, a storage
 * that somebody moved a disk to.
 * @returns the entry with that.
 */
export async function recordAdded(
  entry: Entry,
  config: VmConfig,
  store: Pick<RegistryStore, 'change'>,
): Promise<Entry> {
  const { design, name, system = 0 } = entry
  if (design === null) return entry
  // The user-data of the present system is read already.
  const asFound = (one: VmDesign) => withDevicesIn(withDisksIn(one, config, system + 1), config)
  const found = asFound(design)
  if (isDeepStrictEqual(found, design)) return entry
  const what = 'its data disks and devices were written down as they are in Proxmox'
  if (!isDeepStrictEqual(found.disks, design.disks)) say(`${name}: ${what}`)
  await store.change(entry, one =>
    one.design === null ? one : withEvent({ ...one, design: asFound(one.design) }, what, new Date()),
  )
  return { ...entry, design: found }
}

/** Writes down what was just attached to a VM. A VM without data disks and devices is not asked about. */
export async function recordAttached(
  entry: Entry,
  client: ProxmoxClient,
  store: Pick<RegistryStore, 'change'>,
): Promise<Entry> {
  const { disks, dataDisks, devices, ownDevices } = entry.design ?? {}
  if ([disks, dataDisks, devices, ownDevices].every(one => one === undefined)) return entry
  return recordAdded(entry, await getVmConfig(client, { node: entry.node!, vmid: entry.vmid }), store)
}
