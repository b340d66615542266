/** Firmware as images and families name it: BIOS or UEFI, secure boot, TPM. */

import type { SchemaFault } from './schema-faults.mts'

export interface Firmware {
  /** `bios`: SeaBIOS on Proxmox's default machine. `uefi`: OVMF on a q35 machine, with an EFI disk. */
  kind: 'bios' | 'uefi'
  /** True if the EFI disk was made with Microsoft's keys, so that only what they signed is started. */
  secureBoot: boolean
  /** True for a TPM 2.0. */
  tpm: boolean
}

/** The parts of a firmware that somebody named. */
export type WantedFirmware = Partial<Firmware>

/** Keys of an image in config/proxmint.yaml, and of family.yaml. */
export interface FirmwareEntry {
  firmware?: Firmware['kind']
  secure_boot?: boolean
  tpm?: boolean
}

/** Firmware where nothing is named. */
export const BIOS: Readonly<Firmware> = { kind: 'bios', secureBoot: false, tpm: false }

/** Reads the keys; undefined if none is there. */
export function wantedFirmware({
  firmware,
  secure_boot: secureBoot,
  tpm,
}: FirmwareEntry): WantedFirmware | undefined {
  const wanted = {
    ...(firmware !== undefined && { kind: firmware }),
    ...(secureBoot !== undefined && { secureBoot }),
    ...(tpm !== undefined && { tpm }),
  }
  return Object.keys(wanted).length === 0 ? undefined : wanted
}

/** Writes the keys that `wantedFirmware` read. */
export function firmwareEntry({ kind, secureBoot, tpm }: WantedFirmware = {}): FirmwareEntry {
  return {
    ...(kind !== undefined && { firmware: kind }),
    ...(secureBoot !== undefined && { secure_boot: secureBoot }),
    ...(tpm !== undefined && { tpm }),
  }
}

/** Finds secure boot without UEFI. @param path of the keys in their file. */
export function firmwareFaults({ firmware, secure_boot }: FirmwareEntry, path: string[]): SchemaFault[] {
  if (secure_boot !== true || firmware === 'uefi') return []
  const key = [...path, 'secure_boot']
  return [{ path: key, sentence: `${key.join('.')} needs firmware: uefi` }]
}

/** Says a firmware in words: `BIOS`, `UEFI with secure boot and TPM 2.0`. */
export function firmwareWords({ kind, secureBoot, tpm }: Firmware): string {
  const parts = [secureBoot && 'secure boot', tpm && 'TPM 2.0'].filter(Boolean)
  return [kind === 'uefi' ? 'UEFI' : 'BIOS', parts.join(' and ')].filter(Boolean).join(' with ')
}

/** Lists how a firmware differs from what was named, a phrase each: `has BIOS, not UEFI`. */
export function firmwareDifferences(wanted: WantedFirmware | undefined, actual: Firmware): string[] {
  const { kind, secureBoot, tpm } = wanted ?? {}
  if (kind !== undefined && kind !== actual.kind)
    return [`has ${firmwareWords({ ...BIOS, kind: actual.kind })}, not ${firmwareWords({ ...BIOS, kind })}`]
  return [
    ...differenceOf(secureBoot, actual.secureBoot, 'secure boot'),
    ...differenceOf(tpm, actual.tpm, 'a TPM 2.0'),
  ]
}

function differenceOf(wanted: boolean | undefined, actual: boolean, what: string): string[] {
  if (wanted === undefined || wanted === actual) return []
  return [actual ? `has ${what}` : `has no ${what.replace(/^a /, '')}`]
}
