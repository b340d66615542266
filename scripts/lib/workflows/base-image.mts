import type { ImageConfig } from '../config/load.mts'
import { downloadUrl } from '../proxmox/download-url.mts'
import { listVolumes } from '../proxmox/list-volumes.mts'
import { waitForTask } from '../proxmox/task.mts'
import { messageOf, ProxmintError } from '../run/errors.mts'
import type { Progress } from '../run/progress.mts'
import type { Connection } from './connect.mts'

interface Checksum {
  algorithm: 'sha256' | 'sha512'
  /** Hexadecimal. */
  value: string
}

const listTimeoutMs = 30_000

/** An image as it is, or is to be, on the image storage. */
export interface PlannedImage {
  filename: string
  /** `local:import/...`. The name holds the checksum, so a newer image is a new volume. */
  volid: string
  checksum: Checksum
  /** Whether it is there: then it was verified when it was downloaded. */
  present: boolean
}

/** Asks the publisher for the checksum and Proxmox whether that very image is there. */
export async function planImage(
  { client, config, credentials }: Connection,
  image: string,
  source: ImageConfig,
): Promise<PlannedImage> {
  const checksum = await publishedChecksum(source)
  const filename = `proxmint-${image}-${checksum.value.slice(0, 12)}.qcow2`
  const volid = `${config.imageStorage}:import/${filename}`
  const storage = { node: credentials.node, storage: config.imageStorage }
  const volumes = await listVolumes(client, storage, 'import')
  return { filename, volid, checksum, present: volumes.some(volume => volume.volid === volid) }
}

/** Has the node download the image and verify it against the publisher's list. */
export async function downloadImage(
  { client, config, credentials }: Connection,
  url: string,
  { filename, checksum }: PlannedImage,
  { signal, progress }: { signal: AbortSignal; progress: Progress },
): Promise<void> {
  const upid = await downloadUrl(
    client,
    { node: credentials.node, storage: config.imageStorage },
    { url, filename, content: 'import', checksum: checksum.value, checksumAlgorithm: checksum.algorithm },
  )
  await waitForTask(client, upid, {
    signal,
    timeoutMs: config.taskTimeoutSeconds * 1000,
    onLog: progress.update,
  }).catch(error => {
    throw downloadFailed(error)
  })
}

/** Says what to do about a download that Proxmox broke off: it keeps nothing of one. */
function downloadFailed(error: unknown): unknown {
  if (!(error instanceof ProxmintError)) return error
  const { message, facts, exitCode } = error
  const hint = /checksum mismatch/.test(message)
    ? 'nothing was kept; if the publisher is just replacing the image, try again later, otherwise correct `url` and `checksums_url` in config/proxmint.yaml: both of one release'
    : /download failed/.test(message)
      ? 'nothing was kept; the node itself downloads: check `url` in config/proxmint.yaml and the network of the node'
      : error.hint
  return new ProxmintError(message, { facts, exitCode, hint, cause: error })
}

/** @throws ProxmintError where the list cannot be had or does not name the image. */
async function publishedChecksum({ url, checksumsUrl }: ImageConfig): Promise<Checksum> {
  const list = await fetchText(checksumsUrl)
  const file = new URL(url).pathname.split('/').at(-1)!
  for (const line of list.split('\n')) {
    const [value = '', name = ''] = line.trim().split(/\s+\*?/)
    if (name.replace(/^\.\//, '') !== file) continue
    if (/^[0-9a-f]{64}$/i.test(value)) return { algorithm: 'sha256', value: value.toLowerCase() }
    if (/^[0-9a-f]{128}$/i.test(value)) return { algorithm: 'sha512', value: value.toLowerCase() }
  }
  throw new ProxmintError(`${checksumsUrl} names no SHA-256 or SHA-512 checksum of ${file}`, {
    hint: 'correct `url` and `checksums_url` of the image in config/proxmint.yaml: both of one release',
  })
}

async function fetchText(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(listTimeoutMs) })
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
