import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from '../../process.mts'
import { type Base, ensureBase } from './base.mts'
import { cachedFolder } from './cache.mts'
import { describeImage, descriptionEntry } from './format.mts'

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

/** The lab's own files: init, systemctl, cloud-init and what they need. */
const FILES = join(import.meta.dirname, 'root')

/** GNU tar's end of an archive written with one block per record. */
const END_OF_ARCHIVE_BYTES = 1024

/** The cached image, made first where it is missing. */
export async function ensureImage(name: ImageName, options: ImageOptions): Promise<Image> {
  const base = await ensureBase(name, options)
  const folder = await cachedFolder(`images/${name}-${await contentDigest(name, base)}`, work =>
    writeImage(name, base, work),
  )
  const sha512 = (await readFile(join(folder, 'sha512'), 'utf8')).trim()
  return {
    name,
    path: join(folder, 'image.tar'),
    fileName: imageFileName(name),
    sha512,
    packages: base.packages,
  }
}

/** What Debian calls its image for this machine's architecture. */
export function imageFileName(name: ImageName): string {
  return `${name}-genericcloud-${process.arch === 'arm64' ? 'arm64' : 'amd64'}.qcow2`
}

/** The checksum list that stands beside served images, in the format of Debian's own. */
export function checksumList(images: Image[]): string {
  return images.map(image => `${image.sha512}  ${image.fileName}\n`).join('')
}

/** One archive after the other: the description, the lab's files, the installation. */
async function writeImage(name: ImageName, base: Base, work: string): Promise<void> {
  const image = join(work, 'image.tar')
  await archiveFiles(image)
  const files = await readFile(image)
  const description = descriptionEntry(describeImage(name, base.partuuid))
  await writeFile(image, Buffer.concat([description, files]))
  await pipeline(createReadStream(base.rootTar), createWriteStream(image, { flags: 'a' }))
  await writeFile(join(work, 'sha512'), await fileDigest(image))
}

/** Without the archive's end, so that another can follow; modes do not depend on the umask of the checkout. */
async function archiveFiles(target: string): Promise<void> {
  const asRoot = ['--owner=0', '--group=0', '--mode=u+rw,go+rX,go-w']
  await run('tar', ['-C', FILES, ...asRoot, '--blocking-factor=1', '-cf', target, '.'])
  const { length } = await readFile(target)
  await truncate(target, length - END_OF_ARCHIVE_BYTES)
}

/** SHA-512 in hex. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha512')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

async function contentDigest(name: ImageName, base: Base): Promise<string> {
  const hash = createHash('sha256').update(`${name} ${base.partuuid}`)
  for (const path of await filesBelow(FILES)) hash.update(relative(FILES, path)).update(await readFile(path))
  return hash.digest('hex').slice(0, 16)
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}
