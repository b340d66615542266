/** Firmware in the config of a VM: read, and written for a new one. */

import type { Firmware } from '../config/firmware.mts'
import type { Parameters } from '../proxmox/client.mts'
import type { VmConfig } from '../proxmox/get-vm-config.mts'

/** Reads the firmware of a VM. Keys that were added in the VM itself cannot be seen from outside. */
export function firmwareOf(config: VmConfig): Firmware {
  const isUefi = config['bios'] === 'ovmf'
  const hasKeys = /,pre-enrolled-keys=1(,|$)/.test(String(config['efidisk0'] ?? ''))
  return {
    kind: isUefi ? 'uefi' : 'bios',
    secureBoot: isUefi && hasKeys,
    tpm: /,version=v2\.0(,|$)/.test(String(config['tpmstate0'] ?? '')),
  }
}

/**
 * Lists what a new VM with this firmware is made with.
 * @param storage takes the EFI disk and the state of the TPM.
 */
export function firmwareParameters({ kind, secureBoot, tpm }: Firmware, storage: string): Parameters {
  const efiDisk = `${storage}:0,efitype=4m,pre-enrolled-keys=${secureBoot ? 1 : 0}`
  return {
    ...(kind === 'uefi' && { machine: 'q35', bios: 'ovmf', efidisk0: efiDisk }),
    ...(tpm && { tpmstate0: `${storage}:0,version=v2.0` }),
  }
}
