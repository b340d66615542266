import { deleteVm } from '../proxmox/delete-vm.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { findVmStatus, type VmStatus } from '../proxmox/get-vm-status.mts'
import { stopVm } from '../proxmox/stop-vm.mts'
import { waitForTask } from '../proxmox/task.mts'
import { advance, type Entry, failed } from '../registry/entry.mts'
import { isVmOf } from '../registry/identity.mts'
import { noSuchEntry } from '../registry/revise.mts'
import type { RegistryStore } from '../registry/store.mts'
import { messageOf, ProxmintError } from '../run/errors.mts'
import { type Connection, connect } from './connect.mts'
import { withTerraform } from './terraform-run.mts'
import { removeVmFolder, writeVmFolder } from './vm-folder.mts'

/**
 * Destroys a VM: by Terraform where its state has it, and otherwise by the API. Name, VMID and address are free only
 * after Proxmox has confirmed that the VM is gone.
 * @throws ProxmintError where the VM in Proxmox is not the entry's; nothing is touched then.
 */
export async function destroyVm(store: RegistryStore, name: string, signal: AbortSignal): Promise<Entry> {
  const connection = await connect()
  return store.exclusively(name, 'vm destroy', async () => {
    const entry = await store.find(name)
    if (entry === undefined) throw noSuchEntry(name)
    try {
      await remove(connection, entry, signal)
    } catch (error) {
      await store.change(name, one => failed(one, 'destroy', messageOf(error), new Date()))
      throw error
    }
    const destroyed = await store.change(name, one => advance(one, 'destroyed', new Date()))
    await removeVmFolder(name)
    return destroyed
  })
}

async function remove(connection: Connection, entry: Entry, signal: AbortSignal): Promise<void> {
  await requireOurs(connection, entry)
  if (entry.design !== null) await destroyByTerraform(connection, entry, signal)
  const status = await requireOurs(connection, entry)
  if (status !== undefined) await destroyByApi(connection, entry, status)
}

/** @returns undefined where there is no VM. */
async function requireOurs({ client }: Connection, entry: Entry): Promise<VmStatus | undefined> {
  const vm = { node: entry.node!, vmid: entry.vmid }
  const status = await findVmStatus(client, vm)
  if (status === undefined || isVmOf(entry, await getVmConfig(client, vm))) return status
  throw new ProxmintError(`VM ${entry.vmid} (${status.name}) is not ${entry.name}: it is left alone`, {
    hint: 'its name or its notes in Proxmox are not those that proxmint gave it; mend them, or destroy it by hand',
  })
}

async function destroyByTerraform(connection: Connection, entry: Entry, signal: AbortSignal): Promise<void> {
  const folder = await writeVmFolder(entry, false)
  await withTerraform(connection, { name: entry.name, folder }, signal, async terraform => {
    if (await terraform.knowsVm()) await terraform.apply('destroy')
  })
}

/** A VM that no state knows any more. */
async function destroyByApi(
  { client, config }: Connection,
  { node, vmid }: Entry,
  { status }: VmStatus,
): Promise<void> {
  const vm = { node: node!, vmid }
  const options = { timeoutMs: config.taskTimeoutSeconds * 1000 }
  if (status === 'running') await waitForTask(client, await stopVm(client, vm), options)
  await waitForTask(client, await deleteVm(client, vm), options)
}
