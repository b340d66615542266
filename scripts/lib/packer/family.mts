import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readYamlFile } from '../config/yaml-file.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'

/** A node, and the storage on it that keeps the disks. */
export interface Place {
  node: string
  storage: string
}

export interface Acceptance {
  /** `none`: only what Proxmox and the guest agent can tell. */
  login: 'ssh' | 'none'
  /** The user cloud-init makes on a clone for the test; undefined: the image's own. */
  user: string | undefined
  /** Whether the guest agent must answer. */
  agent: boolean
  /** TCP ports that may listen on more than loopback. */
  ports: number[]
  /** The package database that is checked and listed. */
  packages: 'dpkg' | 'pacman' | 'none'
}

/** What a template family says of itself beside its HCL: `packer/<os>/family.yaml`. */
export interface Family {
  os: string
  /** From the project's root: `packer/debian/family.yaml`. */
  file: string
  /** Rules it cannot follow: the reason by the rule's name. */
  exemptions: Record<string, string>
  /** Where each exemption stands in the file: the line, from 1, by the rule's name. */
  exemptionLines: Record<string, number>
  acceptance: Acceptance
  /** Where it is built; undefined: the node and storage of the credentials. */
  places: Place[] | undefined
}

interface FamilyFile {
  exemptions?: Record<string, string>
  acceptance: Omit<Acceptance, 'user'> & { user?: string }
  places?: Place[]
}

const schema = new URL('../../../packer/family.schema.json', import.meta.url)
const sample = 'packer/debian/family.yaml'

/**
 * Reads `family.yaml` of a template family.
 * @throws ProxmintError (invalid) that lists every fault with its line, or says that there is no such file.
 */
export async function loadFamily(os: string, root = 'packer'): Promise<Family> {
  const file = join(root, os, 'family.yaml')
  const wanted = { path: file, sample, schema, moreFaults: () => [] }
  const value = await readYamlFile<FamilyFile>(wanted).catch(cause => {
    throw missingFamily(file, cause)
  })
  const { exemptions = {}, acceptance, places } = value
  return {
    os,
    file,
    exemptions,
    exemptionLines: linesOf(Object.keys(exemptions), await readFile(file, 'utf8')),
    acceptance: { ...acceptance, user: acceptance.user },
    places,
  }
}

function linesOf(keys: string[], text: string): Record<string, number> {
  const lines = text.split('\n')
  const lineOf = (key: string): number => lines.findIndex(line => line.trim().startsWith(`${key}:`)) + 1
  return Object.fromEntries(keys.map(key => [key, lineOf(key)]))
}

/** What to do about a file that is not there; any other failure as it is. */
function missingFamily(file: string, error: unknown): unknown {
  if (!(error instanceof ProxmintError) || codeOf(error.cause) !== 'ENOENT') return error
  return new ProxmintError(`${file} is missing`, {
    hint: `every template family has one; copy ${sample}, which is commented`,
    cause: error,
    exitCode: exitCodes.invalid,
  })
}
