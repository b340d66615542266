/** Looks for files of user-data that killed runs left on the storages after their VMs were destroyed. */

import { deleteVolume } from '../proxmox/delete-volume.mts'
import { ProxmoxApiError } from '../proxmox/errors.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listNodes } from '../proxmox/list-nodes.mts'
import { listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { listVolumes } from '../proxmox/list-volumes.mts'
import { storageOf } from '../proxmox/property-string.mts'
import { waitForTask } from '../proxmox/task.mts'
import type { Divergence } from '../registry/divergence.mts'
import { type Entry, stillGone } from '../registry/entry.mts'
import { say } from '../run/progress.mts'
import { createSlots } from '../run/slots.mts'
import type { Connection } from '../site/connect.mts'
import { type VmContext, withVmLock } from '../vm/context.mts'
import { userDataVolume } from '../vm/stack/folder.mts'

/** A file of a destroyed VM, on the node where it was found. */
interface LeftFile extends Divergence {
  node: string
  volid: string
  /** Id of the entry. */
  id: string
}

/** Requests at the same time. */
const AT_ONCE = 8

/**
 * Lists the files of VMs that this registry has destroyed. Other sites may share the storage, and so a file counts only if
 * its storage, its name and the id in it are those of an entry in the archive, and if no VM refers to it: somebody may have
 * cloned the VM. One request for each storage that destroyed VMs had; configs are read only where a file was found.
 */
export async function leftUserData(
  { client }: Pick<Connection, 'client'>,
  archived: Entry[],
  vms: VmSummary[],
): Promise<LeftFile[]> {
  const owners = ownersOf(archived)
  const found = await filesAmong(client, owners)
  if (found.length === 0) return []
  const used = await volumesInUse(client, vms)
  return found.filter(({ volid }) => !used(volid))
}

/** Destroyed VMs by the volume of their user-data, as far as the name of the volume has the id of the entry. */
function ownersOf(archived: Entry[]): Map<string, Entry> {
  const own = archived.filter(({ phase, design }) => phase === 'destroyed' && design?.cloudInit.ownFile)
  return new Map(own.map(entry => [userDataVolume(entry)!, entry]))
}

async function filesAmong(client: Connection['client'], owners: Map<string, Entry>): Promise<LeftFile[]> {
  if (owners.size === 0) return []
  const online = (await listNodes(client)).filter(({ status }) => status === 'online').map(({ node }) => node)
  const places = placesOf(owners).filter(({ node }) => online.includes(node))
  const lists = await Promise.all(
    places.map(async ({ node, storage, content }) => {
      const volumes = await listVolumes(client, { node, storage }, content).catch(notListed(node, storage))
      return volumes.flatMap(({ volid }) => leftFile(node, volid, owners.get(volid)))
    }),
  )
  // A shared storage is listed by several nodes.
  return [...new Map(lists.flat().map(file => [file.volid, file])).values()]
}

interface Place {
  node: string
  storage: string
  content: string
}

function placesOf(owners: Map<string, Entry>): Place[] {
  const places = [...owners].flatMap(([volid, { node }]): Place[] => {
    const [storage, rest] = volid.split(':') as [string, string]
    return node === null ? [] : [{ node, storage, content: rest.split('/')[0]! }]
  })
  return [...new Map(places.map(place => [JSON.stringify(place), place])).values()]
}

/** A storage may be gone by now. Only a missing privilege is told. @throws any other failure. */
function notListed(node: string, storage: string): (error: unknown) => [] {
  return error => {
    if (!(error instanceof ProxmoxApiError)) throw error
    if (error.status === 403)
      say(`warning: ${storage} on ${node} was not searched for old user-data: ${error.reason}`)
    return []
  }
}

function leftFile(node: string, volid: string, entry: Entry | undefined): LeftFile[] {
  if (entry === undefined) return []
  const what = `its VM was destroyed, and its user-data is still on ${node}: ${volid}`
  return [
    {
      name: entry.name,
      what,
      hint: '--fix removes it',
      fix: 'remove the user-data',
      node,
      volid,
      id: entry.id,
    },
  ]
}

/** Reads the configs of all VMs. @returns a function that tells whether one of them names a volume, or may do so. */
async function volumesInUse(
  client: Connection['client'],
  vms: VmSummary[],
): Promise<(volid: string) => boolean> {
  const slots = createSlots(() => AT_ONCE)
  const reads = vms.map(({ node, vmid }) =>
    slots.use(['proxmox'], () => getVmConfig(client, { node, vmid }).catch(gone)),
  )
  const texts = (await Promise.all(reads)).flatMap(config => Object.values(config).map(String))
  return volid => texts.some(text => text.includes(volid))
}

/** @throws the failure, unless the VM is gone since it was listed. */
function gone(error: unknown): object {
  if (error instanceof ProxmoxApiError && /does not exist/.test(error.reason)) return {}
  throw error
}

/** Removes a file, if a look under the lock of its VM's name still finds it left. @returns false if it does not. */
export async function removeLeftFile(file: LeftFile, unlocked: VmContext): Promise<boolean> {
  const { name, id, node, volid } = file
  return withVmLock(unlocked, name, 'reconcile', async ({ store, connection: { client, config } }) => {
    const archived = stillGone(await store.listArchived(), await store.list()).filter(
      entry => entry.id === id,
    )
    const left = await leftUserData({ client }, archived, await listVms(client))
    if (!left.some(one => one.volid === volid)) return false
    const upid = await deleteVolume(client, { node, storage: storageOf(volid) }, volid)
    if (upid !== null) await waitForTask(client, upid, { timeoutMs: config.taskTimeoutSeconds * 1000 })
    return true
  })
}
