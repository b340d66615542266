import { createHash } from 'node:crypto'
import { constants, createReadStream, openAsBlob } from 'node:fs'
import { access } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { ImageConfig } from '../../config/load.mts'
import { downloadUrl } from '../../proxmox/download-url.mts'
import { listVolumes } from '../../proxmox/list-volumes.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { uploadFile } from '../../proxmox/upload-file.mts'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import type { Progress } from '../../run/progress.mts'
import { fetchThroughProxy } from '../../run/proxy.mts'
import type { Connection } from '../../site/connect.mts'
import { explainFullStorage } from './no-space.mts'

interface Checksum {
  algorithm: 'sha256' | 'sha512'
  /** Hexadecimal. */
  value: string
}

const LIST_TIMEOUT_MS = 30_000

/** Image that is on the image storage, or will be. */
export interface PlannedImage {
  /** Name in the config: `debian-12`. */
  image: string
  /** URL, or `file:` and an absolute path. */
  origin: string
  filename: string
  /** `local:import/...`. The name holds the checksum, so a newer image is a new volume. */
  volid: string
  checksum: Checksum
  /** Whether it is on the storage. It was verified when it was put there. */
  present: boolean
}

/** Reads the checksum, and asks Proxmox whether the image with that checksum is there. */
export async function planImage(
  { client, config, credentials }: Connection,
  image: string,
  source: ImageConfig,
): Promise<PlannedImage> {
  const format = diskFormat(image, source.url === undefined ? source.file! : new URL(source.url).pathname)
  const checksum = await checksumOf(image, source)
  const filename = `proxmint-${image}-${checksum.value.slice(0, 12)}.${format}`
  const volid = `${config.imageStorage}:import/${filename}`
  const storage = { node: credentials.node, storage: config.imageStorage }
  const volumes = await listVolumes(client, storage, 'import')
  return {
    image,
    origin: source.url ?? `file:${source.file}`,
    filename,
    volid,
    checksum,
    present: volumes.some(volume => volume.volid === volid),
  }
}

/** Chooses the extension that Proxmox expects. Ubuntu names its qcow2 images `.img`. */
function diskFormat(image: string, path: string): string {
  const [, extension = ''] = /\.(\w+)$/.exec(path) ?? []
  if (['qcow2', 'raw', 'vmdk'].includes(extension)) return extension
  if (extension === 'img') return 'qcow2'
  const packed = ['xz', 'zst', 'gz', 'bz2', 'zip'].includes(extension)
  throw new ProxmintError(
    `image ${image}: ${packed ? `${path.split('/').at(-1)} is compressed` : `${path} is no qcow2, raw or vmdk`}`,
    {
      hint: packed
        ? 'Proxmox unpacks compressed ISO files, but no disks: take a qcow2 where the publisher has one, or unpack it here and name it in `file`'
        : 'name a qcow2, raw or vmdk disk in config/proxmint.yaml',
      exitCode: exitCodes.invalid,
    },
  )
}

interface Transfer {
  signal: AbortSignal
  progress: Progress
}

/** Makes the node download the image, or uploads the file. Proxmox verifies both. */
export async function transferImage(
  connection: Connection,
  planned: PlannedImage,
  { signal, progress }: Transfer,
): Promise<void> {
  const { client, config } = connection
  const upid = await startTransfer(connection, planned)
  await waitForTask(client, upid, {
    signal,
    timeoutMs: config.taskTimeoutSeconds * 1000,
    onLog: progress.update,
  }).catch(error => {
    throw transferFailed(explainFullStorage(error, config.imageStorage))
  })
}

async function startTransfer(
  { client, config, credentials }: Connection,
  { origin, filename, checksum }: PlannedImage,
): Promise<string> {
  const storage = { node: credentials.node, storage: config.imageStorage }
  const content = 'import'
  if (origin.startsWith('file:')) {
    const file = await openAsBlob(origin.slice('file:'.length))
    return uploadFile(client, storage, { content, filename, file, checksum })
  }
  return downloadUrl(client, storage, {
    url: origin,
    filename,
    content,
    checksum: checksum.value,
    checksumAlgorithm: checksum.algorithm,
  })
}

/** Adds the remedy to the error of a failed transfer, of which Proxmox keeps nothing. */
function transferFailed(error: unknown): unknown {
  if (!(error instanceof ProxmintError)) return error
  const { message, facts, exitCode } = error
  const hint = /checksum mismatch/.test(message)
    ? 'nothing was kept; if the publisher is just replacing the image, try again later, otherwise correct `url` and `checksums_url` (or `checksum`) in config/proxmint.yaml: both of one release'
    : /download failed/.test(message)
      ? 'nothing was kept; the node itself downloads: check `url` in config/proxmint.yaml and the network of the node'
      : error.hint
  return new ProxmintError(message, { facts, exitCode, hint, cause: error })
}

/** @throws ProxmintError (invalid) without a checksum: such an image is not imported. */
async function checksumOf(
  image: string,
  { url, file, checksumsUrl, checksum }: ImageConfig,
): Promise<Checksum> {
  if (file !== undefined) await requireFile(image, file)
  if (checksum !== undefined) {
    const [algorithm, value] = checksum.split(':') as [Checksum['algorithm'], string]
    return { algorithm, value }
  }
  const name = file ?? new URL(url!).pathname
  if (checksumsUrl !== undefined) return publishedChecksum(checksumsUrl, name.split('/').at(-1)!)
  if (file !== undefined) return { algorithm: 'sha256', value: await sha256Of(file) }
  throw new ProxmintError(`image ${image} has no checksum in config/proxmint.yaml`, {
    facts: { url },
    hint: `add checksums_url (the publisher's list) or checksum; where the publisher has none, download it twice by different ways, and where \`curl -fsSL ${url} | sha256sum\` agrees: checksum: sha256:...`,
    exitCode: exitCodes.invalid,
  })
}

async function requireFile(image: string, file: string): Promise<void> {
  await access(file, constants.R_OK).catch(cause => {
    throw new ProxmintError(`image ${image}: cannot read ${file}: ${codeOf(cause) ?? messageOf(cause)}`, {
      hint: 'make it, or correct `file` in config/proxmint.yaml; the README of the template family says where it comes from',
      cause,
      exitCode: exitCodes.invalid,
    })
  })
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/**
 * Reads a list of checksums as sha256sum writes it, with or without --tag.
 * @throws ProxmintError if the list cannot be read or does not name the file.
 */
async function publishedChecksum(checksumsUrl: string, file: string): Promise<Checksum> {
  const list = await fetchText(checksumsUrl)
  for (const line of list.split('\n')) {
    const [, tagged, value = ''] = /^SHA(?:256|512) \((.+)\) = ([0-9a-f]+)$/i.exec(line.trim()) ?? []
    const [first = '', name = ''] = line.trim().split(/\s+\*?/)
    if ((tagged ?? name).replace(/^\.\//, '') !== file) continue
    const checksum = checksumFrom(tagged === undefined ? first : value)
    if (checksum !== undefined) return checksum
  }
  throw new ProxmintError(`${checksumsUrl} names no SHA-256 or SHA-512 checksum of ${file}`, {
    hint: 'correct `url` and `checksums_url` of the image in config/proxmint.yaml: both of one release',
  })
}

function checksumFrom(hexadecimal: string): Checksum | undefined {
  const value = hexadecimal.toLowerCase()
  if (/^[0-9a-f]{64}$/.test(value)) return { algorithm: 'sha256', value }
  if (/^[0-9a-f]{128}$/.test(value)) return { algorithm: 'sha512', value }
  return undefined
}

async function fetchText(url: string): Promise<string> {
  try {
    const response = await fetchThroughProxy(url, { signal: AbortSignal.timeout(LIST_TIMEOUT_MS) })
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`)
    return await response.text()
  } catch (cause) {
    const reason =
      cause instanceof Error && cause.cause !== undefined ? messageOf(cause.cause) : messageOf(cause)
    throw new ProxmintError(`cannot read the publisher's checksums at ${url}: ${reason}`, {
      hint: 'nothing was downloaded; check the address and the network of this machine',
      cause,
    })
  }
}
