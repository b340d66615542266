import { setTimeout as sleep } from 'node:timers/promises'
import { baseBootIso } from '../../cloud-init/base-boot.mts'
import type { Firmware } from '../../config/firmware.mts'
import type { FirstBoot } from '../../config/load.mts'
import { siteTagOf } from '../../config/site-tag.mts'
import { convertToTemplate } from '../../proxmox/convert-to-template.mts'
import { createVm } from '../../proxmox/create-vm.mts'
import { getVmStatus } from '../../proxmox/get-vm-status.mts'
import { startVm } from '../../proxmox/start-vm.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import { uploadIso } from '../../proxmox/upload-iso.mts'
import { interrupted, ProxmintError } from '../../run/errors.mts'
import { say, withProgress } from '../../run/progress.mts'
import { type Connection, cleaningOf } from '../../site/connect.mts'
import { firmwareParameters } from '../../site/firmware.mts'
import { removeVolume, tryRemoveReserved } from '../../site/remove-leftovers.mts'
import { reserveVm } from '../../site/reserve.mts'
import { dropReservation, type Reservation, updateReservation } from '../../templates/reservations.mts'
import { baseDescription } from './description.mts'
import type { PlannedImage } from './image.mts'
import { explainFullStorage } from './no-space.mts'

interface BaseVm {
  name: string
  /** Image, which is on the image storage. */
  planned: PlannedImage
  firstBoot: FirstBoot
  firmware: Firmware
}

/**
 * Creates the VM from the image, boots it once and converts it. Removes it if anything fails.
 * @returns its VMID.
 */
export async function makeBase(connection: Connection, base: BaseVm, signal: AbortSignal): Promise<number> {
  const { client, config, credentials } = connection
  const reservation = await reserveVm(client, config.stateDir, {
    range: config.baseVmidRange,
    node: credentials.node,
    name: base.name,
    tags: [siteTagOf(config), 'proxmint-base'],
    purpose: `base import ${base.planned.image}`,
  })
  // Another checkout may import the same image at this moment.
  const iso = `${base.name}-${reservation.buildId}.iso`
  const volumes = base.firstBoot === 'none' ? [] : [`${config.imageStorage}:iso/${iso}`]
  const made = { ...connection, reservation: { ...reservation, volumes }, signal }
  await updateReservation(config.stateDir, reservation, { volumes })
  try {
    await withProgress(`create ${base.name}, VM ${reservation.vmid}`, () => create(made, base))
    if (base.firstBoot !== 'none') {
      await withProgress(`boot ${base.name} once, which installs the guest agent`, () => firstBoot(made))
    }
    await withProgress(`convert ${base.name} to a VM template`, () => finish(made))
  } catch (error) {
    say(await tryRemoveReserved(cleaningOf(connection), made.reservation))
    throw explainFullStorage(error, credentials.storagePool)
  }
  for (const volume of volumes) await removeVolume(cleaningOf(connection), credentials.node, volume)
  await dropReservation(config.stateDir, reservation)
  return reservation.vmid
}

/** Connection and what is made over it. */
interface Making extends Connection {
  reservation: Reservation
  signal: AbortSignal
}

async function create(making: Making, { name, planned, firstBoot, firmware }: BaseVm): Promise<void> {
  const { client, config, credentials, reservation } = making
  const [iso] = reservation.volumes
  if (iso !== undefined) {
    const storage = { node: credentials.node, storage: config.imageStorage }
    const image = baseBootIso(name, firstBoot === 'upgrade')
    await finished(making, await uploadIso(client, storage, iso.split('/')[1]!, image))
  }
  const upid = await createVm(client, credentials.node, {
    vmid: reservation.vmid,
    name,
    pool: config.resourcePool,
    description: baseDescription(planned, reservation.buildId),
    tags: reservation.tags.join(';'),
    ostype: 'l26',
    ...firmwareParameters(firmware, credentials.storagePool),
    cores: 1,
    memory: 1024,
    scsihw: 'virtio-scsi-single',
    scsi0: `${credentials.storagePool}:0,import-from=${planned.volid}`,
    ide2: iso === undefined ? undefined : `${iso},media=cdrom`,
    net0: `virtio,bridge=${config.bridge}`,
    // Cloud images log to a serial port, and some do not boot without one.
    serial0: 'socket',
    agent: 'enabled=1',
    boot: 'order=scsi0',
  })
  await finished(making, upid)
}

/** Boots the VM and waits. The guest powers itself off when it has the agent, and only then. */
async function firstBoot(making: Making): Promise<void> {
  const { client, config, reservation, signal } = making
  const seconds = config.firstBootTimeoutSeconds
  await finished(making, await startVm(client, reservation))
  const deadline = Date.now() + seconds * 1000
  while ((await getVmStatus(client, reservation)).status === 'running') {
    if (signal.aborted) throw interrupted(reservation.purpose)
    if (Date.now() > deadline) throw agentNotInstalled(reservation, seconds)
    await sleep(1000)
  }
}

function agentNotInstalled({ name }: Reservation, seconds: number): ProxmintError {
  return new ProxmintError(`${name} did not power itself off within ${seconds} s of its first boot`, {
    hint:
      'it could not install qemu-guest-agent: the bridge needs DHCP and a way to the package mirror of the image. ' +
      'A node without KVM needs more time: first_boot_timeout_seconds in config/proxmint.yaml',
  })
}

async function finish(making: Making): Promise<void> {
  const { client, credentials, reservation } = making
  await updateVmConfig(client, reservation, {
    ide2: `${credentials.storagePool}:cloudinit`,
    ipconfig0: 'ip=dhcp',
  })
  const upid = await convertToTemplate(client, reservation)
  if (upid !== null) await finished(making, upid)
}

function finished({ client, config, signal }: Making, upid: string): Promise<void> {
  return waitForTask(client, upid, { signal, timeoutMs: config.taskTimeoutSeconds * 1000 })
}
