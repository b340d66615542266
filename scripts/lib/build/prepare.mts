import { resolve } from 'node:path'
import { BIOS, type Firmware, firmwareWords } from '../config/firmware.mts'
import { buildTarget, environmentAt, type InstallationMedium } from '../packer/build-target.mts'
import { configuredVariables } from '../packer/configured-variables.mts'
import { type Family, loadFamily, type Place } from '../packer/family.mts'
import { inputDigests } from '../packer/input-digest.mts'
import { namedFiles } from '../packer/named-files.mts'
import { handedLogin } from '../packer/plan.mts'
import { checkPermissions, requireGranted } from '../permissions/check.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { ownValue } from '../run/own-value.mts'
import { cardAndPoolOf, findBase, needsOfAcceptance, needsOfBuild } from '../site/build-needs.mts'
import { requireRules } from '../site/checked-template.mts'
import type { Connection } from '../site/connect.mts'
import { requireBridge } from '../site/require-bridge.mts'
import { requireNode } from '../site/require-node.mts'
import { requirePool } from '../site/require-pool.mts'
import { requireStorages } from '../site/require-storages.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { listReservations } from '../templates/reservations.mts'
import {
  type FamilyVersions,
  noVersions,
  type TemplateVersion,
  versionName,
  versionsOf,
} from '../templates/version.mts'
import { imageOf, imageOfBase } from './base/description.mts'
import { requireFirmware } from './firmware.mts'
import type { Build, BuildRun } from './records.mts'
import { environmentVariables, pinnedVmidOf } from './variables.mts'

/**
 * Prepares the build of a family: rules, permissions, base VMs, inputs, name. Proxmox is asked to change nothing.
 * @throws ProxmintError for the first thing that is missing.
 */
export async function prepareBuild(run: BuildRun, os: string): Promise<Build> {
  const { connection, options } = run
  const checked = run.checked.get(os)!
  if (checked.status === 'rejected') throw checked.reason
  const template = checked.value
  const family = await loadFamily(os)
  const { config, credentials } = connection
  const places = family.places ?? [{ node: credentials.node, storage: credentials.storagePool }]
  const pinnedVmid = pinnedVmidOf(template, places)
  const variables = { ...configuredVariables(template, config), ...options.variables }
  const logins = places.map(({ node }) => handedLogin(run.packer.dialect, { ...credentials, node }))
  await requireRules(template, { variables, logins })
  const found: Found[] = []
  for (const place of places) found.push(await requirePlace(run, { template, family, variables }, place))
  const { origin, firmware } = found[0]!
  const image = await imageOfOrigin(connection, origin)
  const further = furtherInputs(run, image, 'url' in origin ? BIOS : firmware)
  const named = namedFiles(template, { variables })
  const inputs = { ...environmentVariables(template), ...variables }
  const digests = await inputDigests({ ...template, named }, inputs, further)
  const known = (await readLockfile(lockfilePath()))[os] ?? noVersions
  const name = await nameOf(connection, os, digests.digest, known)
  const folder = resolve(template.folder)
  return {
    ...run,
    ...{ os, name, template, family, known, places, variables, pinnedVmid, image, firmware, digests, folder },
    changes: [],
  }
}

/**
 * Lists inputs outside the template, which change a version too.
 * @param firmware what the base VM adds to a plain BIOS. BIOS is no input, so that digests of before stay as they are.
 */
function furtherInputs(
  { packer }: BuildRun,
  image: TemplateVersion['image'],
  firmware: Firmware,
): Record<string, string> {
  const tools = { packer: packer.version, ...(packer.plugin && { plugin: packer.plugin }) }
  const words = firmwareWords(firmware)
  const more = words === firmwareWords(BIOS) ? {} : { firmware: words }
  return { ...tools, ...more, [`image ${image.name}`]: image.checksum ?? '' }
}

/** Chooses a name that nothing has: a VM of somebody else that has the name already is left alone. */
async function nameOf(
  { client, config }: Connection,
  os: string,
  digest: string,
  known: FamilyVersions,
): Promise<string> {
  const [vms, reservations] = await Promise.all([listVms(client), listReservations(config.stateDir)])
  const taken = [
    ...versionsOf(known).map(version => version.name),
    ...vms.map(vm => vm.name ?? ''),
    ...reservations.map(reservation => reservation.name),
  ]
  return versionName(os, new Date(), digest, new Set(taken))
}

type Inputs = Pick<Build, 'template' | 'family' | 'variables'>

/** Checks node, permissions, base VM, bridge and storage of one place. */
async function requirePlace(run: BuildRun, inputs: Inputs, place: Place): Promise<Found> {
  const { connection, options } = run
  const { client } = connection
  await requireNode(client, place.node, setBy(inputs.family, 'node'))
  const origin = await requireOrigin(connection, inputs, place, options.test)
  const firmware = await firmwareOfPlace(connection, inputs, place, origin)
  const disks = { storage: place.storage, contents: ['images'], setBy: setBy(inputs.family, 'storage') }
  await requireStorages(client, place.node, [disks])
  return { origin, firmware }
}

/** @throws ProxmintError (invalid) if base VM, template, family and config do not agree. */
async function firmwareOfPlace(
  { client, config }: Connection,
  { template, variables, family }: Inputs,
  place: Place,
  origin: Origin,
): Promise<Firmware> {
  const target = buildTarget(template, { variables, env: environmentAt(place) })
  const base = 'url' in origin ? undefined : await getVmConfig(client, origin)
  const image = target.baseName && ownValue(config.images, imageOfBase(target.baseName))?.firmware
  return requireFirmware({ family, target, base, image: image || undefined })
}

/** Names the setting of a node or storage, for a person. */
function setBy({ file, places }: Family, what: keyof Place): string {
  if (places !== undefined) return `\`${what}\` of \`places\` in ${file}`
  return `${what === 'node' ? 'proxmox_node' : 'proxmox_storage_pool'} in the credentials`
}

/** Base VM that a build clones, or the medium it installs from. */
type Origin = VmSummary | (InstallationMedium & { name: string })

interface Found {
  origin: Origin
  firmware: Firmware
}

/** Checks the permissions first: without them a base VM that is there looks like one that is missing. */
async function requireOrigin(
  connection: Connection,
  { template, variables, family }: Inputs,
  { node, storage }: Place,
  isTested: boolean,
): Promise<Origin> {
  const { client, config, version } = connection
  const target = buildTarget(template, { variables, env: environmentAt({ node, storage }) })
  const base = await findBase(client, target.baseName, node)
  const own = await needsOfBuild(client, target, { node, pveMajor: version.major }, base)
  const tested = { pveMajor: version.major, node, storage, vmid: undefined }
  const made = await cardAndPoolOf(client, target)
  const needs = [...own, ...(isTested ? needsOfAcceptance(config, family, { ...tested, ...made }) : [])]
  requireGranted(await checkPermissions(client, version.major, needs), `build ${template.os}`)
  if (base === undefined && target.baseName !== undefined)
    throw await noBase(connection, target.baseName, { node, storage })
  if (target.pool !== undefined) await requirePool(client, target.pool, `\`pool\` in ${template.folder}`)
  for (const { bridge } of [target, ...target.furtherCards]) await requireBridge(client, node, bridge)
  return base ?? { name: template.os, ...target.medium! }
}

async function noBase(
  { client, credentials }: Connection,
  baseName: string,
  { node, storage }: Place,
): Promise<ProxmintError> {
  const elsewhere = (await listVms(client)).filter(vm => vm.name === baseName).map(vm => vm.node)
  const where = node === credentials.node ? '' : `PROXMOX_NODE=${node} PROXMOX_STORAGE_POOL=${storage} `
  const others = elsewhere.length === 0 ? '' : `: it is on ${elsewhere.join(', ')}, not on ${node}`
  return new ProxmintError(`the base VM ${baseName} is not there${others}`, {
    hint: `${where}zx scripts/base.mts import ${imageOfBase(baseName)}`,
    exitCode: exitCodes.invalid,
  })
}

/** Reads the image of a base VM from the description that `base import` wrote. */
async function imageOfOrigin({ client }: Connection, origin: Origin): Promise<TemplateVersion['image']> {
  if ('url' in origin) return { name: origin.name, url: origin.url, checksum: origin.checksum }
  const { description } = await getVmConfig(client, origin)
  return imageOf(String(description ?? '')) ?? { name: origin.name ?? '', url: null, checksum: null }
}
