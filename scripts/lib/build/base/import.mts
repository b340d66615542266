import { join } from 'node:path'
import { BIOS, firmwareDifferences, firmwareWords, type WantedFirmware } from '../../config/firmware.mts'
import type { ImageConfig } from '../../config/load.mts'
import { buildTarget } from '../../packer/build-target.mts'
import { listFamilies, loadTemplate } from '../../packer/template.mts'
import { checkPermissions, requireGranted } from '../../permissions/check.mts'
import { needsOfBaseImport } from '../../permissions/work-needs.mts'
import { getVmConfig } from '../../proxmox/get-vm-config.mts'
import type { VmSummary } from '../../proxmox/list-vms.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { withLock } from '../../run/lock.mts'
import { didYouMean } from '../../run/nearest.mts'
import { ownValue } from '../../run/own-value.mts'
import { say, withProgress } from '../../run/progress.mts'
import { requireListed } from '../../site/base-listed.mts'
import { findBase } from '../../site/build-needs.mts'
import { type Connection, cleaningOf, connect } from '../../site/connect.mts'
import { firmwareOf } from '../../site/firmware.mts'
import { removeLeftovers } from '../../site/remove-leftovers.mts'
import { requireBridge } from '../../site/require-bridge.mts'
import { requireNode } from '../../site/require-node.mts'
import { requirePool } from '../../site/require-pool.mts'
import { requireStorages } from '../../site/require-storages.mts'
import { openSite } from '../../site/site.mts'
import { zoneOfBridge } from '../../site/zone-of-bridge.mts'
import { baseName, imageOfBase } from './description.mts'
import { type PlannedImage, planImage, transferImage } from './image.mts'
import { makeBase } from './vm.mts'

export interface ImportedBase {
  name: string
  image: string
  node: string
  /** Undefined in a dry run that would make it. */
  vmid: number | undefined
  /** False if it was there already, and in a dry run. */
  created: boolean
  /** Steps of a dry run, one sentence each. */
  plan: string[]
}

/**
 * Makes the base VM template of a cloud image by Proxmox's API alone. The node downloads and verifies the image, one boot
 * installs the guest agent, and the VM becomes a VM template. A failure leaves nothing behind.
 * @param named image of the config, or template family, for the image that its template is built from.
 */
export async function importBase(named: string, dryRun: boolean, signal: AbortSignal): Promise<ImportedBase> {
  const site = openSite()
  const { images } = await site.config()
  const image = await imageOf(named, images)
  const source = knownImage(images, image, await listFamilies())
  const connection = await connect('token', site)
  await requireMayImport(connection, image)
  const { stateDir } = connection.config
  const lock = { path: join(stateDir, `base-${image}`), purpose: `base import ${image}` }
  return withLock(lock, async lost => {
    if (!dryRun) {
      for (const told of await removeLeftovers(cleaningOf(connection))) say(told)
    }
    return ensureBase(connection, image, source, dryRun, AbortSignal.any([signal, lost]))
  })
}

/** @throws ProxmintError for a node that is not there, (denied) for missing privileges. */
async function requireMayImport(connection: Connection, image: string): Promise<void> {
  const { config, client, credentials, version } = connection
  await requireNode(client, credentials.node, 'proxmox_node in the credentials')
  const zone = await zoneOfBridge(client, config.bridge)
  const needs = needsOfBaseImport(config, { ...credentials, pveMajor: version.major, zone })
  requireGranted(await checkPermissions(client, version.major, needs), `base import ${image}`)
}

/** Returns the base VM that is there, or makes it; a dry run returns the plan. */
async function ensureBase(
  connection: Connection,
  image: string,
  source: ImageConfig,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<ImportedBase> {
  const { node } = connection.credentials
  const result = { name: baseName(image), image, node, created: false, plan: [] }
  const existing = await findBase(connection.client, baseName(image), node)
  if (existing?.template === 1) {
    await requireSameFirmware(connection, existing, image, source)
    return { ...result, node: existing.node, vmid: existing.vmid }
  }
  if (existing !== undefined) throw nameTaken(existing.vmid, image)
  await requirePlace(connection)
  const planned = await planImage(connection, image, source)
  if (dryRun) return { ...result, vmid: undefined, plan: describePlan(connection, planned, source) }
  const vmid = await importImage(connection, planned, source, signal)
  await awaitListed(connection, { node, vmid, name: result.name }, signal)
  return { ...result, vmid, created: true }
}

/** Waits until Packer finds the base VM, also one that a person starts. The base VM is good in any case. */
async function awaitListed(
  { client }: Connection,
  base: { node: string; vmid: number; name: string },
  signal: AbortSignal,
): Promise<void> {
  await requireListed(client, base, { signal }).catch(error => {
    if (signal.aborted || !(error instanceof ProxmintError)) throw error
    say(`warning: ${error.message}; ${error.hint}`)
  })
}

/** @throws ProxmintError for a version, storage or bridge that the import cannot use. */
async function requirePlace(connection: Connection): Promise<void> {
  const { client, config, credentials } = connection
  requireImport(connection)
  await requireStorages(client, credentials.node, [
    {
      storage: config.imageStorage,
      contents: ['import', 'iso'],
      setBy: 'image_storage in config/proxmint.yaml',
    },
    {
      storage: credentials.storagePool,
      contents: ['images'],
      setBy: 'proxmox_storage_pool in the credentials',
    },
  ])
  await requireBridge(client, credentials.node, config.bridge)
  if (config.resourcePool !== undefined)
    await requirePool(client, config.resourcePool, 'resource_pool in config/proxmint.yaml')
}

async function importImage(
  connection: Connection,
  planned: PlannedImage,
  { firstBoot, firmware }: ImageConfig,
  signal: AbortSignal,
): Promise<number> {
  if (!planned.present) {
    await withProgress(`${verbOf(planned)} ${planned.image}`, progress =>
      transferImage(connection, planned, { signal, progress }),
    )
  }
  const base = { name: baseName(planned.image), planned, firstBoot, firmware: { ...BIOS, ...firmware } }
  return makeBase(connection, base, signal)
}

function verbOf({ origin }: PlannedImage): string {
  return origin.startsWith('file:') ? 'upload' : 'download'
}

function describePlan(
  { config, credentials }: Connection,
  planned: PlannedImage,
  { firstBoot, firmware }: ImageConfig,
): string[] {
  const { image, origin, volid, checksum, present } = planned
  const [first, last] = config.baseVmidRange
  const steps = [
    present
      ? `use ${volid}, which is there`
      : `${verbOf(planned)} ${origin} to ${volid}, ${checksum.algorithm} ${checksum.value}`,
    `create ${baseName(image)} on ${credentials.node} with the first free VMID of ${first}-${last}, its disk on ${credentials.storagePool}${firmwarePlan(firmware)}`,
  ]
  if (firstBoot === 'none') return [...steps, 'convert it to a VM template, without a boot']
  return [
    ...steps,
    'boot it once with an ISO that installs the guest agent, until it powers itself off',
    'convert it to a VM template and delete the ISO',
  ]
}

function firmwarePlan(firmware: WantedFirmware | undefined): string {
  return firmware === undefined ? '' : `; firmware: ${firmwareWords({ ...BIOS, ...firmware })}`
}

/** @throws ProxmintError (invalid) for a base VM with another firmware than the image has in the config. */
async function requireSameFirmware(
  { client }: Connection,
  base: VmSummary,
  image: string,
  { firmware }: ImageConfig,
): Promise<void> {
  const found = firmwareDifferences(firmware, firmwareOf(await getVmConfig(client, base)))
  if (found.length === 0) return
  throw new ProxmintError(`${baseName(image)}, VM ${base.vmid}, ${found.join(' and ')}`, {
    facts: { image: `${image} in config/proxmint.yaml: ${firmwareWords({ ...BIOS, ...firmware })}` },
    hint: 'nothing was changed; delete the base VM in Proxmox and run this again, or correct the image in config/proxmint.yaml',
    exitCode: exitCodes.invalid,
  })
}

async function imageOf(named: string, images: Record<string, ImageConfig>): Promise<string> {
  if (ownValue(images, named) !== undefined || !(await listFamilies()).includes(named)) return named
  const { baseName: wanted } = buildTarget(await loadTemplate(named), {})
  if (wanted !== undefined) return imageOfBase(wanted)
  throw new ProxmintError(`${named} is installed from a medium: it has no base VM`, {
    hint: `zx scripts/build.mts ${named}`,
    exitCode: exitCodes.usage,
  })
}

function knownImage(images: Record<string, ImageConfig>, image: string, families: string[]): ImageConfig {
  const source = ownValue(images, image)
  if (source !== undefined) return source
  const names = Object.keys(images)
  throw new ProxmintError(`unknown image ${image}${didYouMean(image, [...names, ...families])}`, {
    facts: { known: names.join(', ') || 'none' },
    hint: 'images are named under `images` in config/proxmint.yaml',
    exitCode: exitCodes.usage,
  })
}

function nameTaken(vmid: number, image: string): ProxmintError {
  return new ProxmintError(`VM ${vmid} is named ${baseName(image)} but is no VM template`, {
    hint: 'nothing here wrote it down, so it is left alone: delete or rename it in Proxmox, then run this again',
  })
}

/** @throws ProxmintError before 8.4, whose API takes no disk images (content type `import`). */
function requireImport({ version }: Connection): void {
  if (version.major > 8 || (version.major === 8 && version.minor >= 4)) return
  throw new ProxmintError(`Proxmox VE ${version.version} cannot import a disk image by its API`, {
    hint: 'update to 8.4 or newer; or make the base VM by hand with `qm importdisk` and name it as the template says',
  })
}
