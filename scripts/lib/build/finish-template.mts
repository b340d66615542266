import type { Firmware } from '../config/firmware.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { updateVmConfig } from '../proxmox/update-vm-config.mts'
import { storagesOfDisks } from '../proxmox/vm-devices.mts'
import { ProxmintError } from '../run/errors.mts'
import type { Reservation } from '../templates/reservations.mts'
import { requireBuiltFirmware } from './firmware.mts'

/**
 * Does what Packer leaves to be done: sets the tags (its packaged version knows none), and removes the build's login
 * from the config, from where every clone would inherit it.
 * @returns the storage of the disks.
 * @throws ProxmintError if the VM is not a VM template, or has another firmware.
 */
export async function finishTemplate(
  client: ProxmoxClient,
  reservation: Reservation,
  firmware: Firmware,
): Promise<string | undefined> {
  const config = await getVmConfig(client, reservation)
  if (config['template'] !== 1) {
    throw new ProxmintError(`VM ${reservation.vmid} is no VM template after the build`, {
      hint: 'the template must not set skip_convert_to_template',
    })
  }
  requireBuiltFirmware(reservation.vmid, config, firmware)
  const leftover = buildLogin(config)
  await updateVmConfig(client, reservation, {
    tags: reservation.tags.join(';'),
    delete: leftover.length > 0 ? leftover.join(',') : undefined,
  })
  return storagesOfDisks(config)[0]
}

function buildLogin(config: VmConfig): string[] {
  return ['ciuser', 'cipassword', 'sshkeys'].filter(key => config[key] !== undefined)
}
