/** Looks at a VM that is being rebuilt, and at its spare VM. */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { listVmPlaces } from '../../proxmox/list-vms.mts'
import { listVolumes } from '../../proxmox/list-volumes.mts'
import { volumeOf } from '../../proxmox/property-string.mts'
import { reassignTaskId } from '../../proxmox/reassign-disk.mts'
import { listRunningTasks } from '../../proxmox/running-tasks.mts'
import { waitForTask } from '../../proxmox/task.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import type { Entry } from '../../registry/entry.mts'
import { spareMark } from '../../registry/rebuild.mts'
import { ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import { requireNoBarrier, requireNoLock } from '../look/barriers.mts'
import { followVm, type LocatedVm, requireThere, statusAfterClone } from '../look/locate.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import type { RebuildSight, SpareSight } from './plan.mts'

/** VM and spare VM as they were found. */
export interface FoundRebuild extends RebuildSight {
  vm: LocatedVm
  /** With the node that the VM is on. */
  entry: Entry
}

/**
 * Looks at the VM and its spare VM, after what a former run left to Proxmox has ended there: a clone, or a disk on its way.
 * @throws ProxmintError where the VM is missing or somebody else's, and while Proxmox will not let it be changed.
 */
export async function lookAtRebuild(connection: Connection, entry: Entry): Promise<FoundRebuild> {
  await waitForMove(connection, entry)
  const found = await followVm(connection, entry)
  const vm = requireThere(entry, found.vm)
  const config = found.config!
  // What was detached already can be attached again under protection.
  if (entry.rebuild?.swapped) requireNoLock(entry.name, vm)
  else requireNoBarrier(entry.name, vm)
  const spare = await lookAtSpare(connection, entry)
  return { vm, config, node: vm.node, entry: found.entry, spare }
}

/** Between two configs the disk is in neither. */
async function waitForMove({ client, config }: Connection, { rebuild, vmid, node }: Entry): Promise<void> {
  if (rebuild?.spareVmid === undefined || rebuild.swapped || node === null) return
  const id = reassignTaskId(rebuild.spareVmid, ROOT_DISK, { vmid, disk: ROOT_DISK })
  const running = await listRunningTasks(client, node, 'qmmove')
  for (const task of running.filter(one => one.id === id)) {
    // Its end shows in the configs, also where it failed.
    const waited = waitForTask(client, task.upid, { timeoutMs: config.taskTimeoutSeconds * 1000 })
    await waited.catch(() => undefined)
  }
}

/** Lists the volumes of a VM, on the storage of its root disk, that its config does not name. */
export async function straysOf(
  client: ProxmoxClient,
  { node, vmid }: VmRef,
  storage: string,
  config: VmConfig,
): Promise<string[]> {
  const named = new Set(Object.values(config).map(value => volumeOf(String(value))))
  const volumes = await listVolumes(client, { node, storage }, 'images')
  return volumes.filter(one => one.vmid === vmid && !named.has(one.volid)).map(({ volid }) => volid)
}

/** @returns undefined if nobody has the VMID, or if the entry has no spare VM. */
export async function lookAtSpare(
  connection: Connection,
  { id, rebuild }: Entry,
): Promise<SpareSight | undefined> {
  const { client } = connection
  const vmid = rebuild?.spareVmid
  if (vmid === undefined) return undefined
  const seen = (await listVmPlaces(client)).find(vm => vm.vmid === vmid)
  if (seen === undefined) {
    return (await isVmidFree(client, vmid)) ? undefined : { node: '', isOurs: false, config: {} }
  }
  const vm = { node: seen.node, vmid }
  if (!(await waitUntilCloned(connection, vm))) return undefined
  const config = await getVmConfig(client, vm)
  const isOurs = String(config['description'] ?? '').includes(spareMark(id))
  return { node: vm.node, isOurs, config }
}

/** Waits for the end of a clone: before, the VM has no notes. @returns false if it is gone. */
async function waitUntilCloned(connection: Connection, vm: VmRef): Promise<boolean> {
  const status = await statusAfterClone(connection, vm)
  if (status?.lock === 'clone') throw stillCloned(vm, connection.config.taskTimeoutSeconds)
  return status !== undefined
}

function stillCloned({ vmid, node }: VmRef, seconds: number): ProxmintError {
  return new ProxmintError(`VM ${vmid} is still locked by a clone after ${seconds} s`, {
    hint: `look at its task under Tasks of ${node}; if none runs any more, on ${node}: qm unlock ${vmid} && qm destroy ${vmid}`,
  })
}
