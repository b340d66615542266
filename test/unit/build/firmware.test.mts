/** Base VM, template, family and config must agree on the firmware, before Packer runs. */
import { describe, expect, test } from 'vitest'
import { requireBuiltFirmware, requireFirmware } from '../../../scripts/lib/build/firmware.mts'
import type { WantedFirmware } from '../../../scripts/lib/config/firmware.mts'
import type { SourceFirmware } from '../../../scripts/lib/packer/build-target.mts'
import { failureOf } from '../failure.mts'

const biosBase = { scsi0: 'tank:base-9900-disk-0' }
const uefiBase = {
  machine: 'q35',
  bios: 'ovmf',
  efidisk0: 'tank:base-9900-disk-1,efitype=4m,pre-enrolled-keys=1,size=528K',
}
const bios = { kind: 'bios', secureBoot: false, tpm: false }
const secure = { kind: 'uefi', secureBoot: true, tpm: false }

interface Case {
  family?: WantedFirmware
  source?: Partial<SourceFirmware>
  image?: WantedFirmware
  base?: Record<string, string>
}

function firmwareFor({ family, source, image, base }: Case) {
  return requireFirmware({
    family: { os: 'debian', file: 'packer/debian/family.yaml', firmware: family },
    target: {
      baseName: base === undefined ? undefined : 'proxmint-base-debian-12',
      firmware: { machine: undefined, ...source },
    },
    base,
    image,
  })
}

describe('a VM template has', () => {
  test.each<[string, Case, unknown]>([
    ['the firmware of its base VM, where nobody names one', { base: biosBase }, bios],
    ['also UEFI', { base: uefiBase }, secure],
    [
      'what all name alike',
      {
        base: uefiBase,
        family: { kind: 'uefi', secureBoot: true },
        image: { kind: 'uefi' },
        source: { kind: 'uefi', machine: 'pc-q35-9.0' },
      },
      secure,
    ],
    [
      'the TPM that the source adds',
      { base: uefiBase, source: { tpm: true }, family: { tpm: true } },
      { ...secure, tpm: true },
    ],
    [
      'of an installation, what its source says',
      { source: { kind: 'uefi', secureBoot: true, tpm: true } },
      { ...secure, tpm: true },
    ],
    ['of an installation that names nothing, BIOS', { source: {} }, bios],
  ])('%s', (_, facts, firmware) => {
    expect(firmwareFor(facts)).toEqual(firmware)
  })
})

describe('a build is refused', () => {
  test.each<[string, Case, string]>([
    [
      'for a base VM that was imported before the config said UEFI',
      { base: biosBase, image: { kind: 'uefi' } },
      'config/proxmint.yaml, image debian-12: the base VM proxmint-base-debian-12 has BIOS, not UEFI',
    ],
    [
      'for a family of UEFI whose base VM is not',
      { base: biosBase, family: { kind: 'uefi' } },
      'packer/debian/family.yaml: the VM template would have BIOS, not UEFI',
    ],
    [
      'for keys that a family cannot boot with',
      { base: uefiBase, family: { kind: 'uefi', secureBoot: false } },
      'packer/debian/family.yaml: the VM template would have secure boot',
    ],
    [
      'for a TPM that is missing',
      { source: { kind: 'uefi', secureBoot: true }, family: { tpm: true } },
      'packer/debian/family.yaml: the VM template would have no TPM 2.0',
    ],
    [
      'for a source that would change the firmware of its clone',
      { base: uefiBase, source: { kind: 'bios' } },
      'packer/debian: the base VM proxmint-base-debian-12 has UEFI, not BIOS',
    ],
    [
      'for a source whose EFI disk would lose the keys',
      { base: uefiBase, source: { kind: 'uefi', secureBoot: false } },
      'packer/debian: the base VM proxmint-base-debian-12 has secure boot',
    ],
    [
      'for another chipset',
      { base: uefiBase, source: { machine: 'pc' } },
      'packer/debian: the base VM proxmint-base-debian-12 has the machine q35, not pc',
    ],
  ])('%s', async (_, facts, fault) => {
    const error = await failureOf(async () => firmwareFor(facts))
    expect(error.message).toBe(`build debian: the firmware is not the one that is named:\n  - ${fault}`)
    expect(error.exitCode).toBe(3)
    expect(error.hint).toContain(
      facts.base === undefined ? 'efi_config' : 'zx scripts/base.mts import debian-12',
    )
  })

  test('with every fault at once', async () => {
    const facts = { base: biosBase, image: { kind: 'uefi' as const }, family: { kind: 'uefi' as const } }
    expect((await failureOf(async () => firmwareFor(facts))).message.split('\n')).toHaveLength(3)
  })
})

test('a finished VM template with another firmware is not kept', async () => {
  const wanted = { kind: 'uefi' as const, secureBoot: true, tpm: false }
  expect(() => requireBuiltFirmware(9000, uefiBase, wanted)).not.toThrow()
  const error = await failureOf(async () => requireBuiltFirmware(9000, biosBase, wanted))
  expect(error.message).toBe('the VM template 9000 has BIOS, not UEFI')
})
