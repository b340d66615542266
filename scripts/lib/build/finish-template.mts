import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { updateVmConfig } from '../proxmox/update-vm-config.mts'
import { storagesOfDisks } from '../proxmox/vm-devices.mts'
import { ProxmintError } from '../run/errors.mts'
import type { Reservation } from '../templates/reservations.mts'

/** What was found out of the finished VM template. */
export interface FinishedTemplate {
  /** Of its disks. */
  storage: string
}

/**
 * What Packer leaves to be done: the tags (its packaged version knows none), and whatever of the build's
 * login still stands in the config, from where every clone would inherit it.
 * @throws ProxmintError when the VM is no VM template.
 */
export async function finishTemplate(
  client: ProxmoxClient,
  reservation: Reservation,
): Promise<FinishedTemplate> {
  const config = await getVmConfig(client, reservation)
  if (config['template'] !== 1) {
    throw new ProxmintError(`VM ${reservation.vmid} is no VM template after the build`, {
      hint: 'the template must not set skip_convert_to_template',
    })
  }
  const leftover = buildLogin(config)
  await updateVmConfig(client, reservation, {
    tags: reservation.tags.join(';'),
    delete: leftover.length > 0 ? leftover.join(',') : undefined,
  })
  return { storage: storagesOfDisks(config)[0] ?? '' }
}

function buildLogin(config: VmConfig): string[] {
  return ['ciuser', 'cipassword', 'sshkeys'].filter(key => config[key] !== undefined)
}
