/** An image that the lab serves: its name, its file, its checksum. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

/** The releases the lab makes images of. */
export const IMAGE_NAMES = ['debian-12', 'debian-13'] as const

export type ImageName = (typeof IMAGE_NAMES)[number]

export interface Image {
  name: ImageName
  /** The image itself: for sim guests see format.mts, for real machines a qcow2. */
  path: string
  /** File name it is served under, which is what Debian calls its cloud image. */
  fileName: string
  sha512: string
  /** Folder with a flat apt repository of what guests install beyond the image. */
  packages: string
}

export interface ImageOptions {
  /** Base URL under which guests will reach the package sources. */
  packageSourceUrl: string
  /** Told when a Debian installation has to be made first, which takes about half a minute. */
  onBuild?: ((name: ImageName) => void) | undefined
}

/** What Debian calls its image for this machine's architecture. */
export function imageFileName(name: ImageName): string {
  return `${name}-genericcloud-${process.arch === 'arm64' ? 'arm64' : 'amd64'}.qcow2`
}

/** The checksum list that stands beside served images, in the format of Debian's own. */
export function checksumList(images: Image[]): string {
  return images.map(image => `${image.sha512}  ${image.fileName}\n`).join('')
}

/** SHA-512 in hex. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha512')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
