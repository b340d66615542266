import { join } from 'node:path'
import type { FirstBoot, ImageConfig } from '../../config/load.mts'
import { buildTarget } from '../../packer/build-target.mts'
import { listFamilies, loadTemplate } from '../../packer/template.mts'
import { checkPermissions, requireGranted } from '../../permissions/check.mts'
import { needsOfBaseImport } from '../../permissions/work-needs.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { withLock } from '../../run/lock.mts'
import { didYouMean } from '../../run/nearest.mts'
import { withProgress } from '../../run/progress.mts'
import { findBase } from '../../site/build-needs.mts'
import { type Connection, cleaningOf, connect } from '../../site/connect.mts'
import { removeLeftovers } from '../../site/remove-leftovers.mts'
import { requireBridge } from '../../site/require-bridge.mts'
import { requireNode } from '../../site/require-node.mts'
import { requireStorages } from '../../site/require-storages.mts'
import { openSite } from '../../site/site.mts'
import { type PlannedImage, planImage, transferImage } from './image.mts'
import { makeBase } from './vm.mts'

export interface ImportedBase {
  name: string
  image: string
  node: string
  /** Undefined for a dry run that would make it. */
  vmid: number | undefined
  /** False where it was there already, and for a dry run. */
  created: boolean
  /** Of a dry run: what would be done, a sentence each. */
  plan: string[]
}

/** The name of the base VM of an image: what Packer's `clone_vm` says. */
export function baseName(image: string): string {
  return `proxmint-base-${image}`
}

/**
 * Makes the base VM template of a cloud image by Proxmox's API alone: the node downloads and verifies the
 * image; one boot installs the guest agent; the result is a VM template. Nothing is left behind on failure.
 * @param named an image of the config, or a template family: then the image its template is built from.
 */
export async function importBase(named: string, dryRun: boolean, signal: AbortSignal): Promise<ImportedBase> {
  const site = openSite()
  const { images } = await site.config()
  const image = await imageOf(named, images)
  const source = knownImage(images, image, await listFamilies())
  const connection = await connect('token', site)
  const { config, client, credentials } = connection
  const place = { ...credentials, pveMajor: connection.version.major }
  await requireNode(client, place.node, 'proxmox_node in the credentials')
  const needs = needsOfBaseImport(config, place)
  requireGranted(await checkPermissions(client, place.pveMajor, needs), `base import ${image}`)
  const lock = { path: join(config.stateDir, `base-${image}`), purpose: `base import ${image}` }
  return withLock(lock, async lost => {
    if (!dryRun) {
      for (const told of await removeLeftovers(cleaningOf(connection))) process.stderr.write(`${told}\n`)
    }
    const result = { name: baseName(image), image, node: credentials.node, created: false, plan: [] }
    const existing = await findBase(client, baseName(image), credentials.node)
    if (existing?.template === 1) return { ...result, node: existing.node, vmid: existing.vmid }
    if (existing !== undefined) throw nameTaken(existing.vmid, image)
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
    const planned = await planImage(connection, image, source)
    if (dryRun)
      return { ...result, vmid: undefined, plan: describePlan(connection, planned, source.firstBoot) }
    return {
      ...result,
      vmid: await importImage(connection, planned, source.firstBoot, AbortSignal.any([signal, lost])),
      created: true,
    }
  })
}

async function importImage(
  connection: Connection,
  planned: PlannedImage,
  firstBoot: FirstBoot,
  signal: AbortSignal,
): Promise<number> {
  if (!planned.present) {
    await withProgress(`${verbOf(planned)} ${planned.image}`, progress =>
      transferImage(connection, planned, { signal, progress }),
    )
  }
  return makeBase(connection, { name: baseName(planned.image), planned, firstBoot }, signal)
}

function verbOf({ origin }: PlannedImage): string {
  return origin.startsWith('file:') ? 'upload' : 'download'
}

function describePlan(
  { config, credentials }: Connection,
  planned: PlannedImage,
  firstBoot: FirstBoot,
): string[] {
  const { image, origin, volid, checksum, present } = planned
  const [first, last] = config.baseVmidRange
  const steps = [
    present
      ? `use ${volid}, which is there`
      : `${verbOf(planned)} ${origin} to ${volid}, ${checksum.algorithm} ${checksum.value}`,
    `create ${baseName(image)} on ${credentials.node} with the first free VMID of ${first}-${last}, its disk on ${credentials.storagePool}`,
  ]
  if (firstBoot === 'none') return [...steps, 'convert it to a VM template, without a boot']
  return [
    ...steps,
    'boot it once with an ISO that installs the guest agent, until it powers itself off',
    'convert it to a VM template and delete the ISO',
  ]
}

async function imageOf(named: string, images: Record<string, ImageConfig>): Promise<string> {
  if (images[named] !== undefined || !(await listFamilies()).includes(named)) return named
  const { baseName: wanted } = buildTarget(await loadTemplate(named), {}, process.env)
  if (wanted !== undefined) return wanted.replace(baseName(''), '')
  throw new ProxmintError(`${named} is installed from a medium: it has no base VM`, {
    hint: `zx scripts/build.mts ${named}`,
    exitCode: exitCodes.usage,
  })
}

function knownImage(images: Record<string, ImageConfig>, image: string, families: string[]): ImageConfig {
  const source = images[image]
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

/** The API takes disk images (content type `import`) since 8.4. */
function requireImport({ version }: Connection): void {
  if (version.major > 8 || (version.major === 8 && version.minor >= 4)) return
  throw new ProxmintError(`Proxmox VE ${version.version} cannot import a disk image by its API`, {
    hint: 'update to 8.4 or newer; or make the base VM by hand with `qm importdisk` and name it as the template says',
  })
}
