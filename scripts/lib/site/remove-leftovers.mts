/** Removes VMs that killed or failed runs left behind, by their reservations. */

import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { deleteVm } from '../proxmox/delete-vm.mts'
import { deleteVolume } from '../proxmox/delete-volume.mts'
import { ProxmoxApiError } from '../proxmox/errors.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { findVmStatus, type VmStatus } from '../proxmox/get-vm-status.mts'
import { storageOf } from '../proxmox/property-string.mts'
import { stopVm } from '../proxmox/stop-vm.mts'
import { waitForTask } from '../proxmox/task.mts'
import { bootDiskOf } from '../proxmox/vm-devices.mts'
import type { VmRef } from '../proxmox/vm-ref.mts'
import { messageOf, ProxmintError } from '../run/errors.mts'
import { killGroup, processCommand } from '../run/process.mts'
import { readLockfile } from '../templates/lockfile.mts'
import {
  dropReservation,
  isOwnReservation,
  listReservations,
  type Reservation,
} from '../templates/reservations.mts'
import { type Families, versionsOf } from '../templates/version.mts'

/** Proxmox may show the VM of a running clone only after a while. */
const SETTLE_MS = 120_000

export interface Cleaning {
  client: ProxmoxClient
  stateDir: string
  /** Path of the lockfile of VM templates: its VMs are finished, not leftovers. */
  lockfile: string
  taskTimeoutMs: number
}

/**
 * Removes the VMs of dead runs that are reserved and have the build id of the reservation. Reservations of runs that
 * still work, here or on another machine, stay.
 * @returns One sentence per leftover.
 */
export async function removeLeftovers(cleaning: Cleaning): Promise<string[]> {
  const sentences: string[] = []
  for (const reservation of await listReservations(cleaning.stateDir)) {
    if (await stillRuns(reservation)) continue
    const { child } = reservation
    if (child !== undefined) await killGroup(child.pid, child.program)
    sentences.push(await removeReserved(cleaning, reservation))
  }
  return sentences
}

async function stillRuns(reservation: Reservation): Promise<boolean> {
  const { pid, host } = reservation
  if (host !== hostname()) return true
  if (pid === process.pid) return isOwnReservation(reservation)
  return (await processCommand(pid))?.includes('.mts') === true
}

/** Removes the VM of one reservation, its volumes, and then the reservation. */
async function removeReserved(cleaning: Cleaning, reservation: Reservation): Promise<string> {
  const { vmid, node, purpose } = reservation
  if (isRecorded(await readLockfile(cleaning.lockfile), reservation)) {
    await dropReservation(cleaning.stateDir, reservation)
    return `VM ${vmid} of \`${purpose}\` was finished: it stays`
  }
  const status = await waitUntilUnlocked(cleaning, reservation)
  if (status === undefined && mayStillAppear(reservation)) {
    return `VM ${vmid} of \`${purpose}\` is not there yet; the next run looks again`
  }
  const isOurs = status !== undefined && (await carriesBuildId(cleaning.client, reservation))
  if (isOurs) await removeVm(cleaning, reservation, status)
  for (const volid of reservation.volumes) await removeVolume(cleaning, node, volid)
  await dropReservation(cleaning.stateDir, reservation)
  if (isOurs) return `removed VM ${vmid}, left by \`${purpose}\``
  return status === undefined
    ? `nothing is left of \`${purpose}\` (VM ${vmid})`
    : `VM ${vmid} (${status.name}) is not the one of \`${purpose}\`: left alone`
}

function isRecorded(families: Families, { vmid, buildId }: Reservation): boolean {
  const copies = Object.values(families)
    .flatMap(versionsOf)
    .flatMap(version => version.copies)
  return copies.some(copy => copy.vmid === vmid && copy.buildId === buildId)
}

/** Removes a reservation after a failure. Returns an error as a warning, so that it does not replace the failure. */
export async function tryRemoveReserved(cleaning: Cleaning, reservation: Reservation): Promise<string> {
  try {
    return await removeReserved(cleaning, reservation)
  } catch (error) {
    const { vmid, purpose } = reservation
    return `warning: what \`${purpose}\` began as VM ${vmid} is not all removed: ${messageOf(error)}; the next run tries again`
  }
}

function mayStillAppear({ since, pid }: Reservation): boolean {
  return pid !== process.pid && Date.now() - Date.parse(since) < SETTLE_MS
}

/** Looks for the build id: it is in the name while Packer works, and in the description of the finished VM. */
async function carriesBuildId(client: ProxmoxClient, reservation: Reservation): Promise<boolean> {
  const { name, description } = await getVmConfig(client, reservation)
  return `${name} ${description}`.includes(reservation.buildId)
}

async function removeVm(
  cleaning: Cleaning,
  { node, vmid }: Reservation,
  { status }: VmStatus,
): Promise<void> {
  const { client, taskTimeoutMs } = cleaning
  if (status === 'running') {
    await waitForTask(client, await stopVm(client, { node, vmid }), { timeoutMs: taskTimeoutMs })
  }
  await waitForTask(client, await deleteUnfinished(client, { node, vmid }), { timeoutMs: taskTimeoutMs })
}

/** Deletes an unfinished VM: the config of an interrupted clone or import does not name its disks yet. */
export async function deleteUnfinished(client: ProxmoxClient, vm: VmRef): Promise<string> {
  return deleteVm(client, vm, { unreferenced: bootDiskOf(await getVmConfig(client, vm)) === undefined })
}

/** Waits for the end of a clone. Until then the VM has no name and cannot be deleted. */
async function waitUntilUnlocked(
  { client, taskTimeoutMs }: Cleaning,
  vm: { node: string; vmid: number },
): Promise<VmStatus | undefined> {
  const deadline = Date.now() + taskTimeoutMs
  let status = await findVmStatus(client, vm)
  while (status?.lock !== undefined) {
    if (Date.now() > deadline) {
      throw new ProxmintError(`VM ${vm.vmid} stays locked (${status.lock})`, {
        hint: `look at its tasks in Proxmox; if none runs: qm unlock ${vm.vmid}`,
      })
    }
    await sleep(1000)
    status = await findVmStatus(client, vm)
  }
  return status
}

/** Removes a volume. A volume that is missing or may not be deleted is not an error: a small ISO may stay. */
export async function removeVolume(
  { client, taskTimeoutMs }: Cleaning,
  node: string,
  volid: string,
): Promise<void> {
  try {
    const upid = await deleteVolume(client, { node, storage: storageOf(volid) }, volid)
    if (upid !== null) await waitForTask(client, upid, { timeoutMs: taskTimeoutMs })
  } catch (error) {
    const known =
      error instanceof ProxmoxApiError &&
      (error.status === 403 || /does not exist|no such/i.test(error.reason))
    if (!known) throw error
  }
}
