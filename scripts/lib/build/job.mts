import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../config/load.mts'
import { buildTarget, type InstallationMedium } from '../packer/build-target.mts'
import { type Family, loadFamily, type Place } from '../packer/family.mts'
import { type InputDigests, inputDigests } from '../packer/input-digest.mts'
import { resolveValue } from '../packer/resolve-value.mts'
import type { Template } from '../packer/template.mts'
import type { Need } from '../permissions/needs.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { writeFailed } from '../run/atomic-file.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { findBase, needsOfAcceptance, needsOfBuild, type TestedPlace } from '../site/build-needs.mts'
import { loadCheckedTemplate } from '../site/checked-template.mts'
import type { Connection } from '../site/connect.mts'
import { checkPermissions, requireGranted } from '../site/permission-check.mts'
import { requireBridge } from '../site/require-bridge.mts'
import { requireNode } from '../site/require-node.mts'
import { requireStorages } from '../site/require-storages.mts'
import type { TemplateVersion } from '../templates/version.mts'
import type { Dialect, Tool } from '../tools/tool.mts'
import { imageOf } from './base/description.mts'
import type { BuildOptions } from './options.mts'

/** What every build of one run is given. */
export interface Builder {
  connection: Connection
  packer: Tool & { dialect: Dialect }
  options: BuildOptions
  /** Waits until node and storage can bear another build. */
  atPlace<T>(place: Place, work: () => Promise<T>): Promise<T>
}

/** One family, checked and ready to be built. */
export interface BuildJob {
  os: string
  template: Template
  family: Family
  /** Where it is built; the first is that of the credentials where the family names none. */
  places: Place[]
  /** Packer's, without those that are handed over. */
  variables: Record<string, string>
  /** The number the family's own variable asks for. */
  pinnedVmid: number | undefined
  image: TemplateVersion['image']
  digests: InputDigests
}

/** Variables of a template through which a build hands over what it decided. */
export const handedOver = ['template_vmid', 'template_name', 'build_id', 'manifest'] as const

/** Everything before Proxmox is asked to change anything: rules, permissions, base VMs, inputs. */
export async function prepareJob(
  connection: Connection,
  packer: Tool & { dialect: Dialect },
  os: string,
  { variables: given, test }: Pick<BuildOptions, 'variables' | 'test'>,
): Promise<BuildJob> {
  const template = await loadCheckedTemplate(os)
  requireHandover(template)
  requireVariables(template, given)
  const family = await loadFamily(os)
  const { config, credentials } = connection
  const places = family.places ?? [{ node: credentials.node, storage: credentials.storagePool }]
  const pinnedVmid = pinned(template, places)
  const variables = { ...configured(template, config), ...given }
  const origins: Origin[] = []
  for (const place of places) {
    await requireNode(connection.client, place.node, setBy(family, 'node'))
    const tested = test ? needsOfAcceptance(config, family, testedPlace(connection, place)) : []
    origins.push(await checkPlace(connection, template, variables, place, tested))
    const disks = { storage: place.storage, contents: ['images'], setBy: setBy(family, 'storage') }
    await requireStorages(connection.client, place.node, [disks])
  }
  const image = await imageOfOrigin(connection, origins[0]!)
  const tools = { packer: packer.version, ...(packer.plugin && { plugin: packer.plugin }) }
  const further = { ...tools, [`image ${image.name}`]: image.checksum ?? '' }
  const digests = await inputDigests(template, { ...environmentOf(template), ...variables }, further)
  return { os, template, family, places, variables, pinnedVmid, image, digests }
}

/** The connection of a build at another node and storage than those of the credentials. */
export function connectionAt(connection: Connection, { node, storage }: Place): Connection {
  return { ...connection, credentials: { ...connection.credentials, node, storagePool: storage } }
}

function requireHandover({ folder, variables }: Template): void {
  const missing = handedOver.filter(name => !variables.some(variable => variable.name === name))
  if (missing.length > 0) {
    throw new ProxmintError(`${folder} declares no variable ${missing.join(', ')}`, {
      hint: 'proxmint hands over the reserved VMID, the name and the manifest in them; see packer/debian/variables.pkr.hcl',
      exitCode: exitCodes.invalid,
    })
  }
}

/** @throws ProxmintError (usage) for a variable that nobody may give, or that the template does not have. */
export function requireVariables({ folder, variables }: Template, given: Record<string, string>): void {
  const set = handedOver.find(name => given[name] !== undefined)
  if (set !== undefined) {
    throw new ProxmintError(`${set} cannot be given: proxmint chooses it and writes it down`, {
      exitCode: exitCodes.usage,
    })
  }
  const known = variables.map(({ name }) => name)
  const unknown = Object.keys(given).find(name => !known.includes(name))
  if (unknown === undefined) return
  const settable = variables
    .filter(({ name, sensitive }) => !sensitive && !handedOver.some(handed => handed === name))
    .map(({ name }) => name)
    .sort()
  throw new ProxmintError(`${folder} has no variable ${unknown}${didYouMean(unknown, settable)}`, {
    facts: { variables: settable.join(', ') },
    hint: 'they are declared in its *.pkr.hcl files',
    exitCode: exitCodes.usage,
  })
}

/** What the config decides, for the templates that ask for it. */
function configured({ variables }: Template, { bridge }: Config): Record<string, string> {
  return variables.some(variable => variable.name === 'bridge') ? { bridge } : {}
}

/**
 * What the environment decides, as far as it is no secret and not where it is built: `PKR_VAR_` variables, and
 * defaults such as `env("PAM_WEB3_PACKAGE_SHA256")`.
 */
function environmentOf({ variables }: Template): Record<string, string> {
  const handed: readonly string[] = handedOver
  const set = variables
    .filter(({ name, sensitive }) => !sensitive && !handed.includes(name))
    .map(({ name, default: fallback }) => {
      const [, read] = /^\$\{env\("(?!PROXMOX_)(\w+)"\)\}$/.exec(String(fallback)) ?? []
      return [
        name,
        process.env[`PKR_VAR_${name}`] ?? (read === undefined ? undefined : process.env[read]),
      ] as const
    })
  return Object.fromEntries(set.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** A family pins its VMID by a default such as `env("TEMPLATE_VMID")`, which is 0 or empty where it is not set. */
function pinned(template: Template, places: Place[]): number | undefined {
  const declared = template.variables.find(variable => variable.name === 'template_vmid')?.default
  const value = resolveValue(template, declared)
  if (value === undefined || value === '' || Number(value) === 0) return undefined
  const vmid = Number(value)
  if (!Number.isInteger(vmid) || vmid < 100 || vmid > 999_999_999) {
    throw new ProxmintError(`TEMPLATE_VMID is ${value}, which is no VMID`, {
      hint: 'a whole number from 100 to 999999999',
      exitCode: exitCodes.usage,
    })
  }
  if (places.length > 1) {
    throw new ProxmintError(
      `TEMPLATE_VMID pins one VMID, and ${template.os} is built in ${places.length} places`,
      {
        hint: 'unset TEMPLATE_VMID',
        exitCode: exitCodes.usage,
      },
    )
  }
  return vmid
}

/** Where a node or storage of the family's places is named, for a person. */
function setBy({ file, places }: Family, what: keyof Place): string {
  if (places !== undefined) return `\`${what}\` of \`places\` in ${file}`
  return `${what === 'node' ? 'proxmox_node' : 'proxmox_storage_pool'} in the credentials`
}

/** The acceptance test of a VM template that is not there yet. */
function testedPlace({ version }: Connection, { node, storage }: Place): TestedPlace {
  return { pveMajor: version.major, node, storage, vmid: undefined }
}

/** The permissions first: without them a base VM that is there looks like one that is not. */
async function checkPlace(
  connection: Connection,
  template: Template,
  variables: Record<string, string>,
  { node, storage }: Place,
  further: Need[],
): Promise<Origin> {
  const { client, version } = connection
  const environment = { ...process.env, PROXMOX_STORAGE_POOL: storage, PROXMOX_NODE: node }
  const target = buildTarget(template, variables, environment)
  const base = await findBase(client, target.baseName, node)
  const own = await needsOfBuild(client, target, { node, pveMajor: version.major }, base)
  const needs = [...own, ...further]
  requireGranted(await checkPermissions(client, version.major, needs), `build ${template.os}`)
  if (base === undefined && target.baseName !== undefined)
    throw await noBase(connection, target.baseName, { node, storage })
  await requireBridge(client, node, target.bridge)
  return base ?? { name: template.os, ...target.medium! }
}

async function noBase({ client, credentials }: Connection, baseName: string, { node, storage }: Place) {
  const elsewhere = (await listVms(client)).filter(vm => vm.name === baseName).map(vm => vm.node)
  const image = baseName.replace('proxmint-base-', '')
  const where = node === credentials.node ? '' : `PROXMOX_NODE=${node} PROXMOX_STORAGE_POOL=${storage} `
  return new ProxmintError(
    `the base VM ${baseName} is not there${elsewhere.length === 0 ? '' : `: it is on ${elsewhere.join(', ')}, not on ${node}`}`,
    { hint: `${where}zx scripts/base.mts import ${image}`, exitCode: exitCodes.invalid },
  )
}

/** What a build begins with: a base VM, or the medium it installs from. */
type Origin = VmSummary | (InstallationMedium & { name: string })

/** `base import` writes down in the base VM's description which image it was made from. */
async function imageOfOrigin({ client }: Connection, origin: Origin): Promise<TemplateVersion['image']> {
  if ('url' in origin) return { name: origin.name, url: origin.url, checksum: origin.checksum }
  const { description } = await getVmConfig(client, origin)
  return imageOf(String(description ?? '')) ?? { name: origin.name ?? '', url: null, checksum: null }
}

/** Where the manifest of one build goes; its folder is made. */
export async function manifestPath(stateDir: string, name: string, vmid: number): Promise<string> {
  const path = join(stateDir, 'manifests', `${name}-${vmid}.json`)
  await mkdir(dirname(path), { recursive: true }).catch(cause => {
    throw writeFailed(path, cause)
  })
  return path
}
