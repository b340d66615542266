import { describe, expect, test } from 'vitest'
import {
  BIOS,
  type Firmware,
  firmwareDifferences,
  firmwareEntry,
  firmwareWords,
  type WantedFirmware,
  wantedFirmware,
} from '../../../scripts/lib/config/firmware.mts'

const uefi: Firmware = { kind: 'uefi', secureBoot: false, tpm: false }

test.each<[Partial<Firmware>, string]>([
  [{}, 'BIOS'],
  [{ tpm: true }, 'BIOS with TPM 2.0'],
  [uefi, 'UEFI'],
  [{ ...uefi, secureBoot: true }, 'UEFI with secure boot'],
  [{ ...uefi, tpm: true }, 'UEFI with TPM 2.0'],
  [{ ...uefi, secureBoot: true, tpm: true }, 'UEFI with secure boot and TPM 2.0'],
])('%j is called %s', (firmware, words) => {
  expect(firmwareWords({ ...BIOS, ...firmware })).toBe(words)
})

test.each([
  {},
  { firmware: 'uefi' as const },
  { firmware: 'bios' as const, tpm: true },
  { secure_boot: false },
])('the keys %j are read and written alike; what is not named stays so', entry => {
  expect(firmwareEntry(wantedFirmware(entry))).toEqual(entry)
})

describe('what differs', () => {
  test.each<[WantedFirmware | undefined, Firmware, string[]]>([
    [undefined, { ...uefi, tpm: true }, []],
    [{}, uefi, []],
    [{ kind: 'uefi' }, { ...uefi, secureBoot: true, tpm: true }, []],
    [{ kind: 'uefi', secureBoot: true }, BIOS, ['has BIOS, not UEFI']],
    [{ kind: 'bios' }, uefi, ['has UEFI, not BIOS']],
    [{ kind: 'uefi', secureBoot: true, tpm: true }, uefi, ['has no secure boot', 'has no TPM 2.0']],
    [
      { secureBoot: false, tpm: false },
      { ...uefi, secureBoot: true, tpm: true },
      ['has secure boot', 'has a TPM 2.0'],
    ],
  ])('from %j in %j: %j', (wanted, actual, differences) => {
    expect(firmwareDifferences(wanted, actual)).toEqual(differences)
  })
})
