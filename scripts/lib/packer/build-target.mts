import { exitCodes, ProxmintError } from '../run/errors.mts'
import { resolveValue } from './resolve-value.mts'
import type { HclValue, SourceBlock, Template } from './template.mts'

/** Facts about the future VM template, read before Packer runs. */
export interface BuildTarget {
  /** Name of the base VM; undefined if the build installs from a medium. */
  baseName: string | undefined
  /** Installation medium; undefined if the build clones a base VM. */
  medium: InstallationMedium | undefined
  diskStorages: string[]
  bridge: string
  vlanTag: number | undefined
  pool: string | undefined
  usesAgent: boolean
}

export interface InstallationMedium {
  url: string
  /** `sha256:` and hexadecimal digits, as in Packer's `iso_checksum`. */
  checksum: string
  /** Storage of ISO files. */
  storage: string
}

/**
 * Reads the proxmox source of a template.
 * @param variables Values for Packer's `-var`.
 * @throws ProxmintError (invalid) If there is no such source, or if only Packer can evaluate the base VM or the medium.
 */
export function buildTarget(
  template: Template,
  variables: Record<string, string>,
  env: NodeJS.ProcessEnv,
): BuildTarget {
  const source = template.sources.find(({ type }) => type === 'proxmox-clone' || type === 'proxmox-iso')
  if (source === undefined) {
    throw new ProxmintError(`${template.folder} has no proxmox-clone source`, { exitCode: exitCodes.invalid })
  }
  const resolved: Resolve = value => {
    const known = resolveValue(template, value, variables, env)
    return known === undefined || known === '' ? undefined : String(known)
  }
  const { values } = source
  const installed = source.type === 'proxmox-iso'
  const [card = {}] = blocksOf(values, 'network_adapters')
  const storages = [
    resolved(values['cloud_init_storage_pool']),
    ...(installed ? ownStorages(values, resolved) : []),
  ]
  return {
    baseName: installed ? undefined : requireBaseName(source, resolved),
    medium: installed ? requireMedium(source, resolved) : undefined,
    diskStorages: [...new Set(storages.filter(storage => storage !== undefined))],
    bridge: resolved(card['bridge']) ?? 'vmbr0',
    vlanTag: vlanOf(resolved(card['vlan_tag'])),
    pool: resolved(values['pool']),
    usesAgent: resolved(values['qemu_agent']) !== 'false',
  }
}

/** Pool that a build makes its VM in. @param variables Values for Packer's `-var`. */
export function poolOfTemplate(
  template: Template,
  variables: Record<string, string>,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const pool = template.sources.map(({ values }) => values['pool']).find(value => value !== undefined)
  return String(resolveValue(template, pool, variables, env) ?? '') || undefined
}

/** The plugin passes an empty tag and 0 on as no tag. */
function vlanOf(tag: string | undefined): number | undefined {
  return Number(tag ?? 0) || undefined
}

type Resolve = (value: HclValue | undefined) => string | undefined

function blocksOf(values: SourceBlock['values'], type: string): Record<string, HclValue>[] {
  const blocks = values[type]
  return Array.isArray(blocks) ? (blocks as Record<string, HclValue>[]) : []
}

/** Storages of the disks that a proxmox-iso source creates. */
function ownStorages(values: SourceBlock['values'], resolved: Resolve): (string | undefined)[] {
  return [
    ...blocksOf(values, 'disks').map(disk => resolved(disk['storage_pool'])),
    ...blocksOf(values, 'efi_config').map(disk => resolved(disk['efi_storage_pool'])),
    ...blocksOf(values, 'tpm_config').map(disk => resolved(disk['tpm_storage_pool'])),
  ]
}

function requireBaseName({ values, file, block }: SourceBlock, resolved: Resolve): string {
  const name = resolved(values['clone_vm'])
  if (name !== undefined) return name
  throw unknownValue(`${file}:${block.line}: the name in \`clone_vm\``)
}

function requireMedium({ values, file, block }: SourceBlock, resolved: Resolve): InstallationMedium {
  const [iso = {}] = blocksOf(values, 'boot_iso')
  const url = resolved(iso['iso_url'])
  const checksum = resolved(iso['iso_checksum'])
  const storage = resolved(iso['iso_storage_pool'])
  if (url !== undefined && checksum !== undefined && storage !== undefined) return { url, checksum, storage }
  throw unknownValue(`${file}:${block.line}: iso_url, iso_checksum or iso_storage_pool of \`boot_iso\``)
}

function unknownValue(what: string): ProxmintError {
  return new ProxmintError(`${what} is not known before the build`, {
    hint: 'use only text and variables with a default',
    exitCode: exitCodes.invalid,
  })
}
