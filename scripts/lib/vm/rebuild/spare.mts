/** Removes the spare VM of a rebuild. */
import { deleteVm } from '../../proxmox/delete-vm.mts'
import { findVmStatus } from '../../proxmox/get-vm-status.mts'
import { stopVm } from '../../proxmox/stop-vm.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import type { Connection } from '../../site/connect.mts'
import { lookAtSpare } from './sight.mts'

/** Deletes the spare VM of an entry with the disks that it still has. A VM without the mark is left alone. */
export async function removeSpare(entry: Entry, connection: Connection): Promise<void> {
  const { client, config } = connection
  const spare = await lookAtSpare(connection, entry)
  if (spare?.isOurs !== true) return
  const vm = { node: spare.node, vmid: entry.rebuild!.spareVmid! }
  const options = { timeoutMs: config.taskTimeoutSeconds * 1000 }
  // A clone is as protected as its VM template.
  if (Number(spare.config['protection'] ?? 0) === 1) await updateVmConfig(client, vm, { protection: 0 })
  const status = await findVmStatus(client, vm)
  if (status?.status === 'running') await waitForTask(client, await stopVm(client, vm), options)
  await waitForTask(client, await deleteVm(client, vm), options)
  checkpoint('vm-rebuild-spare-removed')
}
