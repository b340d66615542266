/** Reads `packer/<os>/family.yaml`: settings of a template family that HCL cannot hold. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type FirmwareEntry,
  firmwareFaults,
  type WantedFirmware,
  wantedFirmware,
} from '../config/firmware.mts'
import { readYamlFile } from '../config/yaml-file.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'

/** Node, and its storage for the disks. */
export interface Place {
  node: string
  storage: string
}

/** Settings of the acceptance test. */
export interface Acceptance {
  /** `none`: the test uses only Proxmox and the guest agent. */
  login: 'ssh' | 'none'
  /** User that cloud-init creates on a clone for the test. Default: `proxmint`. */
  user?: string | undefined
  /** True if the guest agent must answer. */
  agent: boolean
  /** TCP ports that may listen on other addresses than loopback. */
  ports: number[]
  /** Package database to check and list. */
  packages: 'dpkg' | 'pacman' | 'none'
}

export interface Family {
  os: string
  /** Path from the project's root: `packer/debian/family.yaml`. */
  file: string
  /** Name of a rule that the family cannot follow -> the reason. */
  exemptions: Record<string, string>
  /** Name of the rule -> line of the exemption in the file, from 1. */
  exemptionLines: Record<string, number>
  acceptance: Acceptance
  /** Firmware that its VM templates must have, as far as it is named. Undefined: that of the base VM, or of the source. */
  firmware: WantedFirmware | undefined
  /** Places of builds; undefined: the node and storage of the credentials. */
  places: Place[] | undefined
}

interface FamilyFile extends FirmwareEntry {
  exemptions?: Record<string, string>
  acceptance: Acceptance
  places?: Place[]
}

const SCHEMA = new URL('../../../packer/family.schema.json', import.meta.url)
const SAMPLE = 'packer/debian/family.yaml'

/** @throws ProxmintError (invalid) If the file is missing, or with every fault and its line. */
export async function loadFamily(os: string, root = 'packer'): Promise<Family> {
  const file = join(root, os, 'family.yaml')
  const wanted = {
    path: file,
    sample: SAMPLE,
    schema: SCHEMA,
    moreFaults: (file: FamilyFile) => firmwareFaults(file, []),
  }
  const value = await readYamlFile<FamilyFile>(wanted).catch(cause => {
    throw missingFamily(file, cause)
  })
  const { exemptions = {}, acceptance, places } = value
  return {
    os,
    file,
    exemptions,
    exemptionLines: linesOf(Object.keys(exemptions), await readFile(file, 'utf8')),
    acceptance,
    firmware: wantedFirmware(value),
    places,
  }
}

function linesOf(keys: string[], text: string): Record<string, number> {
  const lines = text.split('\n')
  const lineOf = (key: string): number => lines.findIndex(line => line.trim().startsWith(`${key}:`)) + 1
  return Object.fromEntries(keys.map(key => [key, lineOf(key)]))
}

/** Error for a missing file; returns any other error unchanged. */
function missingFamily(file: string, error: unknown): unknown {
  if (!(error instanceof ProxmintError) || codeOf(error.cause) !== 'ENOENT') return error
  return new ProxmintError(`${file} is missing`, {
    hint: `every template family has one; copy ${SAMPLE}, which is commented`,
    cause: error,
    exitCode: exitCodes.invalid,
  })
}
