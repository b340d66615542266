/** Steps of a rebuild on its spare VM. */
import { cloneVm } from '../../proxmox/clone-vm.mts'
import { findPoolOf } from '../../proxmox/list-vms.mts'
import { storageOf } from '../../proxmox/property-string.mts'
import { resizeDisk } from '../../proxmox/resize-disk.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { Entry } from '../../registry/entry.mts'
import { spareName, spareNotes } from '../../registry/rebuild.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { say, withProgress } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import { withSpare } from './decide.mts'
import { preparationOf } from './plan.mts'
import { removeSpare } from './spare.mts'
import { taskWait, type Work } from './work.mts'

/** Reserves another VMID: somebody else made a VM with the one of the spare VM. */
export async function renumber({ entry, rebuild, context }: Work): Promise<Entry> {
  const next = await withSpare(entry, context, (one, spareVmid) => ({
    ...one,
    rebuild: { ...one.rebuild!, spareVmid },
  }))
  const { spareVmid } = next.rebuild!
  say(`VMID ${rebuild.spareVmid} is taken in Proxmox by another VM: the spare VM gets ${spareVmid}`)
  return next
}

export async function clone({
  entry,
  rebuild,
  found,
  context: { connection, signal },
}: Work): Promise<Entry> {
  const { client } = connection
  const source = rebuild.system.source!
  await withProgress(`clone ${rebuild.to} for ${entry.name}`, async () => {
    const upid = await cloneVm(client, source, {
      ...{ newid: rebuild.spareVmid!, name: spareName(entry.name), description: spareNotes(entry), full: 1 },
      storage: storageOf(rebuild.disk),
      ...(source.node !== found.node && { target: found.node }),
      // Rights that hold in a pool alone must hold for the spare VM as well.
      pool: await findPoolOf(client, entry.vmid),
    })
    await waitForTask(client, upid, { ...taskWait(connection), signal })
  })
  checkpoint('vm-rebuild-cloned')
  return entry
}

export async function discard({ entry, context: { connection } }: Work): Promise<Entry> {
  await removeSpare(entry, connection)
  return entry
}

export async function prepare({ entry, rebuild, found, context: { connection } }: Work): Promise<Entry> {
  const { client } = connection
  const { node, config } = found.spare!
  const spare = { node, vmid: rebuild.spareVmid! }
  const { settings, size } = preparationOf(rebuild, config)
  if (settings !== undefined) await updateVmConfig(client, spare, settings)
  if (size !== undefined) await resize(connection, spare, size)
  checkpoint('vm-rebuild-prepared')
  return entry
}

async function resize(connection: Connection, vm: VmRef, size: string): Promise<void> {
  const upid = await resizeDisk(connection.client, vm, ROOT_DISK, size)
  if (upid !== null) await waitForTask(connection.client, upid, taskWait(connection))
}
