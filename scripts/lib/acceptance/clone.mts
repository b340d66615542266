import { isoImage } from '../cloud-init/iso9660.mts'
import { cloneVm } from '../proxmox/clone-vm.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { resizeDisk } from '../proxmox/resize-disk.mts'
import { startVm } from '../proxmox/start-vm.mts'
import { waitForTask } from '../proxmox/task.mts'
import { updateVmConfig } from '../proxmox/update-vm-config.mts'
import { uploadFile } from '../proxmox/upload-file.mts'
import { bootDiskOf, cloudInitSlotOf } from '../proxmox/vm-devices.mts'
import type { Connection } from '../site/connect.mts'
import { type Reservation, updateReservation } from '../templates/reservations.mts'
import type { AcceptanceSettings } from './evidence.mts'
import { firstBootSeed } from './seed.mts'
import type { SshKey } from './ssh.mts'

/**
 * `grown` is made as every VM is, by Proxmox's cloud-init drive, and its disk is grown. `watched` boots from a seed
 * of ours that looks at the disk before cloud-init changes it.
 */
export type CloneRole = 'grown' | 'watched'

/** A finished VM template and how it is to be tested. */
export interface AcceptanceTarget {
  os: string
  family: { acceptance: AcceptanceSettings }
  vmid: number
  node: string
  /** Where the disks of the clones go. */
  storage: string
  /** Of the VM template. */
  name: string
  /** Of the build, which must be gone; undefined where none is known. */
  buildLogin: { user: string } | undefined
}

export interface Testing {
  connection: Connection
  target: AcceptanceTarget
  key: SshKey
  signal: AbortSignal
}

/** A clone that was started. */
export interface StartedClone {
  vmid: number
  node: string
  name: string
  config: VmConfig
}

/** The user where family.yaml names none. */
export const defaultUser = 'proxmint'

export const grownBytes = 2 ** 30

/** Clones in full, as `vm create` does, since a linked clone can stop at boot; configures and starts it. */
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
    ciuser: target.family.acceptance.user ?? defaultUser,
    sshkeys: encodeURIComponent(key.publicKey),
    ipconfig0: `ip=${connection.config.testAddress ?? 'dhcp'}`,
    // Upgrades would take minutes and hide which packages the template has.
    ciupgrade: 0,
  }
}

/** Its volume is written down before it is made, and removed with the clone. */
async function uploadSeed(
  { connection, target, key, signal }: Testing,
  { reservation, name }: Cloned,
): Promise<string> {
  const { client, config } = connection
  const filename = `${name}.iso`
  const volid = `${config.imageStorage}:iso/${filename}`
  reservation.volumes.push(volid)
  await updateReservation(config.stateDir, reservation.vmid, { volumes: reservation.volumes })
  const seed = await firstBootSeed({
    name,
    instanceId: reservation.buildId,
    user: target.family.acceptance.user ?? defaultUser,
    publicKey: key.publicKey,
    buildUser: target.buildLogin?.user,
  })
  const storage = { node: reservation.node, storage: config.imageStorage }
  const file = new Blob([isoImage('cidata', seed)])
  await finish({ connection, signal }, await uploadFile(client, storage, { content: 'iso', filename, file }))
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
