import type { WantedFirmware } from '../config/firmware.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Place } from './family.mts'
import { attributeOf, type BlockNode, blocksOf } from './hcl-source.mts'
import { attributeValue, type Given, scopeOf } from './scope.mts'
import type { SourceBlock, Template } from './template.mts'

/** Facts about the future VM template, read before Packer runs. */
export interface BuildTarget {
  /** Name of the base VM; undefined if the build installs from a medium. */
  baseName: string | undefined
  /** Installation medium; undefined if the build clones a base VM. */
  medium: InstallationMedium | undefined
  diskStorages: string[]
  /** Bridge of the first network card. */
  bridge: string
  vlanTag: number | undefined
  /** The other network cards that name a bridge. */
  furtherCards: { bridge: string; vlanTag: number | undefined }[]
  pool: string | undefined
  usesAgent: boolean
  /** Default of Packer's plugin: 512. */
  memoryMib: number
  firmware: SourceFirmware
}

/** Firmware as far as a source names it. The rest is that of the base VM; without one, BIOS without a TPM. */
export interface SourceFirmware extends WantedFirmware {
  /** Machine type: `q35`, `pc-q35-9.0`. Undefined: not named. */
  machine: string | undefined
}

export interface InstallationMedium {
  url: string
  /** `sha256:` and hexadecimal digits, as in Packer's `iso_checksum`. */
  checksum: string
  /** Storage of ISO files. */
  storage: string
}

/** Returns the environment that Packer gets for a build at a place. */
export function environmentAt({ node, storage }: Place): NodeJS.ProcessEnv {
  return { ...process.env, PROXMOX_STORAGE_POOL: storage, PROXMOX_NODE: node }
}

/**
 * Reads the proxmox source of a template.
 * @throws ProxmintError (invalid) If there is no such source, or if only Packer can evaluate the base VM or the medium.
 */
export function buildTarget(template: Template, given: Given): BuildTarget {
  const source = proxmoxSource(template)
  if (source === undefined) {
    throw new ProxmintError(`${template.folder} has no proxmox-clone source`, {
      hint: 'packer/debian shows one; Packer clones the base VM by it',
      exitCode: exitCodes.invalid,
    })
  }
  const scope = scopeOf(template, given)
  const read = (block: BlockNode | undefined, name: string): string | undefined => {
    const known = block && attributeValue(template, block, name, scope)
    return known === undefined || known === null || known === '' ? undefined : String(known)
  }
  const { block } = source
  const isInstalled = source.type === 'proxmox-iso'
  const storages = [read(block, 'cloud_init_storage_pool'), ...ownStorages(block, read)]
  const cards = blocksOf(block, 'network_adapters')
  const [first, ...further] = cards.map(card => ({
    bridge: read(card, 'bridge'),
    vlanTag: vlanOf(read(card, 'vlan_tag')),
  }))
  return {
    baseName: isInstalled ? undefined : requireBaseName(source, read),
    medium: isInstalled ? requireMedium(source, read) : undefined,
    diskStorages: [...new Set(storages.filter(storage => storage !== undefined))],
    bridge: first?.bridge ?? 'vmbr0',
    vlanTag: first?.vlanTag,
    furtherCards: further.flatMap(({ bridge, vlanTag }) =>
      bridge === undefined ? [] : [{ bridge, vlanTag }],
    ),
    pool: read(block, 'pool'),
    usesAgent: read(block, 'qemu_agent') !== 'false',
    memoryMib: Number(read(block, 'memory') ?? 512),
    firmware: firmwareOfSource(block, read),
  }
}

/** Pool that a build makes its VM in. */
export function poolOfTemplate(template: Template, given: Given): string | undefined {
  const source = proxmoxSource(template)
  const pool = source && attributeValue(template, source.block, 'pool', scopeOf(template, given))
  return String(pool ?? '') || undefined
}

/** The plugin passes an empty tag and 0 on as no tag. */
function vlanOf(tag: string | undefined): number | undefined {
  return Number(tag ?? 0) || undefined
}

/** Finds the source that the builds use; without a build, the first one of Proxmox. */
export function proxmoxSource({ sources, used }: Template): SourceBlock | undefined {
  const proxmox = sources.filter(({ type }) => type === 'proxmox-clone' || type === 'proxmox-iso')
  const names = used.map(({ source }) => source)
  return proxmox.find(({ type, name }) => names.includes(`${type}.${name}`)) ?? proxmox[0]
}

type Read = (block: BlockNode | undefined, name: string) => string | undefined

function firmwareOfSource(block: BlockNode, read: Read): SourceFirmware {
  const bios = read(block, 'bios')
  const [efi] = blocksOf(block, 'efi_config')
  const [tpm] = blocksOf(block, 'tpm_config')
  return {
    machine: read(block, 'machine'),
    ...(bios !== undefined && { kind: bios === 'ovmf' ? 'uefi' : 'bios' }),
    ...(efi !== undefined && { secureBoot: read(efi, 'pre_enrolled_keys') === 'true' }),
    ...(tpm !== undefined && { tpm: read(tpm, 'tpm_version') !== 'v1.2' }),
  }
}

/** Storages of the disks that a source creates: all of a proxmox-iso source, of a clone only further ones. */
function ownStorages(block: BlockNode, read: Read): (string | undefined)[] {
  return [
    ...blocksOf(block, 'disks').map(disk => read(disk, 'storage_pool')),
    ...blocksOf(block, 'efi_config').map(disk => read(disk, 'efi_storage_pool')),
    ...blocksOf(block, 'tpm_config').map(disk => read(disk, 'tpm_storage_pool')),
  ]
}

function requireBaseName({ file, block }: SourceBlock, read: Read): string {
  const name = read(block, 'clone_vm')
  if (name !== undefined) return name
  const line = attributeOf(block, 'clone_vm')?.line ?? block.line
  throw unknownValue(`${file}:${line}: the name in \`clone_vm\``)
}

function requireMedium({ file, block }: SourceBlock, read: Read): InstallationMedium {
  const [iso] = blocksOf(block, 'boot_iso')
  const url = read(iso, 'iso_url')
  const checksum = read(iso, 'iso_checksum')
  const storage = read(iso, 'iso_storage_pool')
  if (url !== undefined && checksum !== undefined && storage !== undefined) return { url, checksum, storage }
  throw unknownValue(`${file}:${block.line}: iso_url, iso_checksum or iso_storage_pool of \`boot_iso\``)
}

function unknownValue(what: string): ProxmintError {
  return new ProxmintError(`${what} is not known before the build`, {
    hint: 'use only text, and variables and locals whose values are known before the build',
    exitCode: exitCodes.invalid,
  })
}
