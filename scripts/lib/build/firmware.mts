/** Firmware of a build: base VM, template and family must agree before Packer runs. */

import {
  BIOS,
  type Firmware,
  firmwareDifferences,
  firmwareWords,
  type WantedFirmware,
} from '../config/firmware.mts'
import type { BuildTarget } from '../packer/build-target.mts'
import type { Family } from '../packer/family.mts'
import type { VmConfig } from '../proxmox/get-vm-config.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { firmwareOf } from '../site/firmware.mts'
import { imageOfBase } from './base/description.mts'

/** What is known about a build's firmware before Packer runs. */
interface FirmwareFacts {
  family: Pick<Family, 'os' | 'file' | 'firmware'>
  target: Pick<BuildTarget, 'baseName' | 'firmware'>
  /** Config of the base VM; undefined if the build installs from a medium. */
  base: VmConfig | undefined
  /** Firmware of the base VM's image, as far as the config names it. */
  image: WantedFirmware | undefined
}

/**
 * Returns the firmware that the VM template will have.
 * @throws ProxmintError (invalid) with each place that does not agree.
 */
export function requireFirmware(facts: FirmwareFacts): Firmware {
  const { family, target, base } = facts
  const of = base && firmwareOf(base)
  const { machine: _, ...named } = target.firmware
  const made = { ...(of ?? BIOS), ...named }
  const faults = [...(of === undefined ? [] : baseFaults(facts, of)), ...familyFaults(family, made)]
  if (faults.length === 0) return made
  throw new ProxmintError(
    `build ${family.os}: the firmware is not the one that is named:\n${bullets(faults)}`,
    {
      facts: { [of === undefined ? 'source' : 'base VM']: firmwareWords(of ?? made) },
      hint: hintOf(target),
      exitCode: exitCodes.invalid,
    },
  )
}

function bullets(faults: string[]): string {
  return faults.map(fault => `  - ${fault}`).join('\n')
}

/** Compares the base VM with its image in the config, and with what a source names that clones it. */
function baseFaults({ family: { os }, target, image, base }: FirmwareFacts, of: Firmware): string[] {
  const name = target.baseName!
  const { machine, tpm: _, ...named } = target.firmware
  const inConfig = firmwareDifferences(image, of).map(found => [imageIn(name), found] as const)
  const inTemplate = [...firmwareDifferences(named, of), ...machineDifferences(machine, base!)]
  return [...inConfig, ...inTemplate.map(found => [`packer/${os}`, found] as const)].map(
    ([place, found]) => `${place}: the base VM ${name} ${found}`,
  )
}

function imageIn(baseName: string): string {
  return `config/proxmint.yaml, image ${imageOfBase(baseName)}`
}

/** A guest that was set up on one chipset finds its devices elsewhere on the other. */
function machineDifferences(machine: string | undefined, base: VmConfig): string[] {
  const actual = chipsetOf(base['machine'])
  if (machine === undefined || chipsetOf(machine) === actual) return []
  return [`has the machine ${actual}, not ${machine}`]
}

function chipsetOf(machine: string | number | undefined): string {
  return String(machine ?? '').includes('q35') ? 'q35' : 'i440fx'
}

function familyFaults({ file, firmware }: FirmwareFacts['family'], made: Firmware): string[] {
  return firmwareDifferences(firmware, made).map(
    found => `${file}: the VM template ${found.replace('has', 'would have')}`,
  )
}

function hintOf({ baseName }: FirmwareFacts['target']): string {
  if (baseName === undefined)
    return 'correct bios, efi_config and tpm_config of the template, or firmware, secure_boot and tpm of family.yaml'
  return `correct the place that is wrong; where it is the base VM, delete it in Proxmox, then: zx scripts/base.mts import ${imageOfBase(baseName)}`
}

/** @throws ProxmintError if the finished VM template has another firmware than base VM and template promised. */
export function requireBuiltFirmware(vmid: number, config: VmConfig, wanted: Firmware): void {
  const found = firmwareDifferences(wanted, firmwareOf(config))
  if (found.length === 0) return
  throw new ProxmintError(`the VM template ${vmid} ${found.join(' and ')}`, {
    facts: { wanted: firmwareWords(wanted) },
    hint: 'Packer changed it: look for `bios`, `machine` and `efi_config` in the template, and for a newer plugin',
  })
}
