import { deleteVm } from '../../proxmox/delete-vm.mts'
import { listNodes } from '../../proxmox/list-nodes.mts'
import { stopVm } from '../../proxmox/stop-vm.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { advance, type Entry, wasMade } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import { type Connection, cleaningOf } from '../../site/connect.mts'
import { removeVolume } from '../../site/remove-leftovers.mts'
import type { VmContext } from '../context.mts'
import { type LocatedVm, locateVm, lookAtVm } from '../look/locate.mts'
import { removeVmFolder, userDataFile, writeFolderToDestroy } from '../stack/folder.mts'
import { withTerraform } from '../stack/terraform-run.mts'
import { expireToken } from './expiry.mts'
import { noteFailure } from './failure.mts'
import { withVmLock } from './lock.mts'

/**
 * Destroys a VM: by Terraform where its state has it, and otherwise by the API. Name, VMID and address are free only
 * after Proxmox has confirmed that the VM is gone.
 * @throws ProxmintError where the VM in Proxmox is not the entry's; nothing is touched then.
 */
export async function destroyVm(name: string, unlocked: VmContext): Promise<Entry> {
  return withVmLock(unlocked, name, 'vm destroy', async context => {
    const entry = await requireEntry(context.store, name)
    return removeVm(context, entry)
  })
}

/** The same for who holds the VM's lock. Its folder goes first: once the entry is gone, nobody would look for it. */
export async function removeVm(
  { store, connection, issuer, signal }: VmContext,
  entry: Entry,
): Promise<Entry> {
  const { name } = entry
  try {
    await removeFromProxmox(connection, entry, signal)
    checkpoint('vm-destroyed')
    await removeUserData(connection, entry)
    await removeVmFolder(name)
    checkpoint('vm-folder-removed')
  } catch (error) {
    await noteFailure(store, entry, 'destroy', error)
    throw error
  }
  const token = await expireToken(entry, issuer)
  const destroyed = await store.change(name, one => advance({ ...one, token }, 'destroyed', new Date()))
  checkpoint('vm-forgotten')
  return destroyed
}

/** @throws ProxmintError where the VM is not the entry's, or is still there afterwards. */
export async function removeFromProxmox(
  connection: Connection,
  entry: Entry,
  signal: AbortSignal,
): Promise<void> {
  // Whoever made a VM of this number before ours was made keeps it.
  const { differences } = await lookAtVm(connection, entry)
  if (entry.phase === 'reserved' && differences.length > 0) return
  await locateVm(connection, entry)
  if (entry.design !== null) await destroyByTerraform(connection, entry, signal)
  const left = await locateVm(connection, entry)
  if (left === undefined) return
  await destroyByApi(connection, left)
  if ((await locateVm(connection, entry)) === undefined) return
  throw new ProxmintError(`VM ${entry.vmid} of ${entry.name} is still there after it was deleted`)
}

async function destroyByTerraform(connection: Connection, entry: Entry, signal: AbortSignal): Promise<void> {
  const folder = await writeFolderToDestroy(connection.site, entry)
  await withTerraform(connection, { entry, folder }, signal, async terraform => {
    if (!(await terraform.knowsAnything())) return
    const lost = await nodesThatLeft(connection, await terraform.nodes())
    if (lost.length === 0) {
      await terraform.apply('destroy', { allowReplace: false, step: 'destroy' })
      return
    }
    say(`warning: ${lost.join(', ')} left the cluster: what ${entry.name} has there is given up`)
    await terraform.forget()
  })
}

/** Proxmox answers no question about them any more. */
async function nodesThatLeft({ client }: Connection, nodes: string[]): Promise<string[]> {
  const members = new Set((await listNodes(client)).map(({ node }) => node))
  return nodes.filter(node => !members.has(node))
}

/** A VM that no state knows any more. */
async function destroyByApi({ client, config }: Connection, { status, ...vm }: LocatedVm): Promise<void> {
  const options = { timeoutMs: config.taskTimeoutSeconds * 1000 }
  if (status === 'running') await waitForTask(client, await stopVm(client, vm), options)
  await waitForTask(client, await deleteVm(client, vm), options)
}

/** What no state knows any more, either. */
async function removeUserData(connection: Connection, entry: Entry): Promise<void> {
  const { node, design } = entry
  if (design === null || node === null) return
  const { delivery, storage, ownFile } = design.cloudInit
  // What has only the VM's name is that of another site's, where this one never had a VM.
  if (!ownFile && !wasMade(entry)) return
  if ((await nodesThatLeft(connection, [node])).length > 0) {
    say(`warning: ${node} left the cluster: the user-data of ${entry.name} on ${storage} is not looked for`)
    return
  }
  const file = userDataFile(entry)
  const path = delivery === 'snippet' ? `snippets/${file}.yaml` : `iso/${file}.iso`
  await removeVolume(cleaningOf(connection), node, `${storage}:${path}`)
}
