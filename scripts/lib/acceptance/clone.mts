import { isoImage } from '../cloud-init/iso9660.mts'
import type { Acceptance } from '../packer/family.mts'
import { cloneVm } from '../proxmox/clone-vm.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { resizeDisk } from '../proxmox/resize-disk.mts'
import { startVm } from '../proxmox/start-vm.mts'
import { waitForTask } from '../proxmox/task.mts'
import { updateVmConfig } from '../proxmox/update-vm-config.mts'
import { uploadIso } from '../proxmox/upload-iso.mts'
import { bootDiskOf, cloudInitSlotOf } from '../proxmox/vm-devices.mts'
import type { Connection } from '../site/connect.mts'
import { type Reservation, updateReservation } from '../templates/reservations.mts'
import { firstBootSeed } from './seed.mts'
import type { SshKey } from './ssh.mts'

/**
 * `grown`: has Proxmox's cloud-init drive, as VMs have, and a larger disk. `watched`: boots from a seed that inspects
 * the disk before cloud-init changes it.
 */
export type CloneRole = 'grown' | 'watched'

/** Finished VM template and the settings of its test. */
export interface AcceptanceTarget {
  os: string
  family: { acceptance: Acceptance }
  vmid: number
  node: string
  /** Storage of the clones' disks. */
  storage: string
  /** Pool of the clones, which is that of the VM template: who builds may have no privilege outside of it. */
  pool?: string | undefined
  /** Name of the VM template. */
  name: string
  /** Login of the build, which must not exist any more; undefined if unknown. */
  buildLogin: { user: string } | undefined
}

export interface Testing {
  connection: Connection
  target: AcceptanceTarget
  key: SshKey
  signal: AbortSignal
}

/** Clone that was started. */
export interface StartedClone {
  vmid: number
  node: string
  name: string
  config: VmConfig
}

/** User on the clones if family.yaml names none. */
export const DEFAULT_USER = 'proxmint'

export const GROWN_BYTES = 2 ** 30

/** Creates a full clone, as `vm create` does (a linked clone can stop at boot), configures and starts it. */
export async function makeClone(
  testing: Testing,
  role: CloneRole,
  reservation: Reservation,
): Promise<StartedClone> {
  const { target, connection } = testing
  const { client } = connection
  const { vmid, node, buildId } = reservation
  const name = `${reservation.name}-${buildId}`
  await finish(
    testing,
    await cloneVm(client, target, {
      newid: vmid,
      name,
      description: `Acceptance test of ${target.name} by proxmint; can be deleted. Build ${buildId}.`,
      full: 1,
      storage: target.storage,
      pool: target.pool,
    }),
  )
  const cloned = await getVmConfig(client, reservation)
  const login = testing.target.family.acceptance.login === 'ssh'
  await updateVmConfig(client, reservation, {
    tags: reservation.tags.join(';'),
    ...(login && (await loginSettings(testing, role, { reservation, name, cloned }))),
  })
  if (role === 'grown') await growDisk(testing, reservation, cloned)
  await finish(testing, await startVm(client, reservation))
  return { vmid, node, name, config: await getVmConfig(client, reservation) }
}

interface Cloned {
  reservation: Reservation
  name: string
  cloned: VmConfig
}

async function loginSettings(testing: Testing, role: CloneRole, made: Cloned): Promise<VmConfig> {
  const { key, target, connection } = testing
  if (role === 'watched') {
    return { [cloudInitSlotOf(made.cloned) ?? 'ide2']: `${await uploadSeed(testing, made)},media=cdrom` }
  }
  return {
    ciuser: target.family.acceptance.user ?? DEFAULT_USER,
    sshkeys: encodeURIComponent(key.publicKey),
    ipconfig0: `ip=${connection.config.testAddress ?? 'dhcp'}`,
    // An upgrade would take minutes and change the packages of the template.
    ciupgrade: 0,
  }
}

/** Uploads the seed. Its volume is added to the reservation before, so that it is removed with the clone. */
async function uploadSeed(
  { connection, target, key, signal }: Testing,
  { reservation, name }: Cloned,
): Promise<string> {
  const { client, config } = connection
  const filename = `${name}.iso`
  const volid = `${config.imageStorage}:iso/${filename}`
  reservation.volumes.push(volid)
  await updateReservation(config.stateDir, reservation, { volumes: reservation.volumes })
  const seed = await firstBootSeed({
    name,
    instanceId: reservation.buildId,
    user: target.family.acceptance.user ?? DEFAULT_USER,
    publicKey: key.publicKey,
    buildUser: target.buildLogin?.user,
  })
  const storage = { node: reservation.node, storage: config.imageStorage }
  const upid = await uploadIso(client, storage, filename, isoImage('cidata', seed))
  await finish({ connection, signal }, upid)
  return volid
}

async function growDisk(testing: Testing, reservation: Reservation, config: VmConfig): Promise<void> {
  const disk = bootDiskOf(config)
  if (disk === undefined) return
  const upid = await resizeDisk(testing.connection.client, reservation, disk, '+1G')
  if (upid !== null) await finish(testing, upid)
}

function finish({ connection, signal }: Pick<Testing, 'connection' | 'signal'>, upid: string): Promise<void> {
  const { client, config } = connection
  return waitForTask(client, upid, { signal, timeoutMs: config.taskTimeoutSeconds * 1000 })
}
