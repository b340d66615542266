/** Images that the lab serves: names, files and checksums. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

/** Releases that the lab makes images of. */
export const IMAGE_NAMES = ['debian-12', 'debian-13'] as const

export type ImageName = (typeof IMAGE_NAMES)[number]

export interface Image {
  name: ImageName
  /** File of the image: for simulated guests see format.mts, for real machines a qcow2. */
  path: string
  /** File name in the URL: the name of Debian's cloud image. */
  fileName: string
  sha512: string
  /** Folder with a flat apt repository of packages that guests can install. */
  packages: string
}

export interface ImageOptions {
  /** Base URL of the package sources, as guests will see it. */
  packageSourceUrl: string
  /** Called before a Debian installation, which takes half a minute or more. */
  onBuild?: ((name: ImageName) => void) | undefined
}

/** Returns Debian's name of its cloud image for this machine's architecture. */
export function imageFileName(name: ImageName): string {
  return `${name}-genericcloud-${process.arch === 'arm64' ? 'arm64' : 'amd64'}.qcow2`
}

/** Returns the text of SHA512SUMS in Debian's format. */
export function checksumList(images: Image[]): string {
  return images.map(image => `${image.sha512}  ${image.fileName}\n`).join('')
}

/** Computes the SHA-512 of a file, in hex. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha512')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
