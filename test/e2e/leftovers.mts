/** What a command that failed must not leave behind. */
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import type { Workspace } from './workspace.mts'

/** Of base VMs, by default. */
const firstBase = 9900

/**
 * Everything that is there because of a command run in this workspace, in words: VMs of its VMID range and
 * half-made base VMs, reservations, files of the state folder (logs too), ISO files on the node. The file of reservations
 * stays when its list is empty, so only what it lists counts.
 */
export async function leftovers(root: ProxmoxClient, workspace: Workspace): Promise<string[]> {
  const [vms, isos, reservations, files] = await Promise.all([
    listVms(root),
    listVolumes(root, { node: 'pve', storage: 'local' }, 'iso'),
    listReservations(workspace.stateDir),
    filesBelow(workspace.stateDir),
  ])
  const [first, last] = workspace.vmids
  const own = vms.filter(
    ({ vmid, template }) => (vmid >= first && vmid <= last) || (vmid >= firstBase && template !== 1),
  )
  return [
    ...own.map(({ vmid, name }) => `VM ${vmid} ${name}`),
    ...reservations.map(({ vmid }) => `reservation of ${vmid}`),
    ...isos.map(({ volid }) => volid),
    ...files.filter(file => file !== 'reservations.json'),
  ]
}

/** Paths below a folder, from it; none where there is no folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter(entry => !entry.isDirectory())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}
