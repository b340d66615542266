import { describe, expect, test } from 'vitest'
import type { Firmware } from '../../../scripts/lib/config/firmware.mts'
import { firmwareOf, firmwareParameters } from '../../../scripts/lib/site/firmware.mts'

const bios: Firmware = { kind: 'bios', secureBoot: false, tpm: false }

describe('the firmware of a VM', () => {
  test.each<[string, Record<string, string>, Firmware]>([
    ['nothing: BIOS', {}, bios],
    [
      'SeaBIOS, with an EFI disk that it leaves alone',
      { bios: 'seabios', efidisk0: 'tank:x,pre-enrolled-keys=1' },
      bios,
    ],
    ['OVMF without a disk', { bios: 'ovmf' }, { ...bios, kind: 'uefi' }],
    [
      "OVMF with Microsoft's keys",
      { bios: 'ovmf', efidisk0: 'tank:vm-100-disk-0,efitype=4m,ms-cert=2023k,pre-enrolled-keys=1,size=528K' },
      { kind: 'uefi', secureBoot: true, tpm: false },
    ],
    [
      'OVMF without keys, and a TPM',
      {
        bios: 'ovmf',
        efidisk0: 'tank:vm-100-disk-0,efitype=4m,pre-enrolled-keys=0,size=528K',
        tpmstate0: 'tank:vm-100-disk-1,size=4M,version=v2.0',
      },
      { kind: 'uefi', secureBoot: false, tpm: true },
    ],
    ['a TPM 1.2, which is no 2.0', { tpmstate0: 'tank:vm-100-disk-1,size=4M' }, bios],
  ])('%s', (_, config, firmware) => {
    expect(firmwareOf(config)).toEqual(firmware)
  })
})

describe('a new VM is made', () => {
  test('by BIOS with nothing of its own: as it always was', () => {
    expect(firmwareParameters(bios, 'tank')).toEqual({})
  })

  test.each([true, false])('by UEFI on q35, secure boot %s', secureBoot => {
    expect(firmwareParameters({ kind: 'uefi', secureBoot, tpm: true }, 'tank')).toEqual({
      machine: 'q35',
      bios: 'ovmf',
      efidisk0: `tank:0,efitype=4m,pre-enrolled-keys=${secureBoot ? 1 : 0}`,
      tpmstate0: 'tank:0,version=v2.0',
    })
  })

  test.each<Firmware>([
    bios,
    { ...bios, tpm: true },
    { kind: 'uefi', secureBoot: true, tpm: false },
    { kind: 'uefi', secureBoot: false, tpm: true },
  ])('with what is read from it again: %j', firmware => {
    expect(firmwareOf(firmwareParameters(firmware, 'tank') as Record<string, string>)).toEqual(firmware)
  })
})
