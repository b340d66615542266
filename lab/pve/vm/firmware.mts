/** Firmware of VMs: OVMF with its disk of variables, and the TPM (PVE/QemuServer/OVMF.pm, PVE/QemuServer.pm). */

import type { GuestMachine, GuestStart, OvmfKind } from '../../guests/driver.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import type { TaskContext } from '../core/task.mts'
import { volumeOf } from '../storage/volumes.mts'
import { machineFormat } from './cpu-formats.mts'
import { type Drive, parseDrive } from './drive.mts'

const KIB = 1024

/** Bytes of the firmware's variables (files of pve-edk2-firmware). */
export function efiSize(config: VmConfig, drive: Drive): number {
  if (config['arch'] === 'aarch64') return 64 * KIB ** 2
  return (drive.options['efitype'] === '4m' ? 528 : 128) * KIB
}

/** Bytes of the emulated TPM's state. */
export const TPM_SIZE = 4 * KIB ** 2

function chipsetOf(config: VmConfig): GuestMachine {
  const { type } = parsePropertyString(machineFormat, config['machine'] ?? '')
  return type?.includes('q35') === true ? 'q35' : 'pc'
}

/** Returns the firmware of an EFI disk. Only that of 4 MiB comes with keys. */
export function ovmfKindOf(config: VmConfig, drive: Drive | undefined): OvmfKind {
  const { efitype: type, 'pre-enrolled-keys': keys } = drive?.options ?? {}
  const machine = chipsetOf(config)
  return type === '4m' ? { type, machine, keys: keys === '1' } : { type: '2m', machine, keys: false }
}

function driveAt(config: VmConfig, slot: string): Drive | undefined {
  return config[slot] === undefined ? undefined : parseDrive(config[slot])
}

/** Returns the parts of a guest that its firmware is made of. SeaBIOS leaves an EFI disk alone. */
export function firmwareOf(pve: Pve, config: VmConfig): Pick<GuestStart, 'machine' | 'uefi' | 'tpm'> {
  const efi = driveAt(config, 'efidisk0')
  const tpm = driveAt(config, 'tpmstate0')
  const variables = efi && volumeOf(pve, efi.file).path
  return {
    machine: chipsetOf(config),
    uefi: config['bios'] === 'ovmf' ? { ...ovmfKindOf(config, efi), variables } : undefined,
    tpm: tpm && {
      path: volumeOf(pve, tpm.file).path,
      version: tpm.options['version'] === 'v2.0' ? 'v2.0' : 'v1.2',
    },
  }
}

/** Checks for Microsoft's keys without the mark that those of 2023 are among them. Versions before 9 do not look. */
function hasOldCertificates(pve: Pve, efi: Drive): boolean {
  const { 'pre-enrolled-keys': keys, 'ms-cert': mark } = efi.options
  return pve.version >= 9 && keys === '1' && mark !== '2023k'
}

/** Writes the warnings about the firmware into the log of a start. Proxmox explains the second one at length. */
export function warnOfFirmware(pve: Pve, config: VmConfig, task: TaskContext): void {
  if (config['bios'] !== 'ovmf') return
  const efi = driveAt(config, 'efidisk0')
  if (efi === undefined) task.warn('no efidisk configured! Using temporary efivars disk.')
  else if (hasOldCertificates(pve, efi)) {
    task.warn("EFI disk without 'ms-cert=2023k' option, suggesting that not all UEFI 2023")
    task.log('certificates from Microsoft are enrolled yet.')
  }
}
