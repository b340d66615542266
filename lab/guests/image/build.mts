import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { lock } from 'proper-lockfile'
import { run } from '../../process.mts'
import { describeImage, descriptionEntry } from './format.mts'

/** Debian releases the lab makes images of, with the suite each is installed from. */
const SUITES = { 'debian-12': 'bookworm', 'debian-13': 'trixie' } as const

export type ImageName = keyof typeof SUITES

export interface Image {
  name: ImageName
  /** The image itself: see format.mts. */
  path: string
  /** File name it is served under, which is what Debian calls its cloud image. */
  fileName: string
  sha512: string
  /** A flat apt repository of what guests install beyond the image. */
  packages: string
}

const IN_IMAGE = ['ca-certificates', 'iproute2', 'openssh-client', 'openssh-server', 'procps', 'sudo']

/** Kept out of the image, as in Debian's; guests install them from the lab's package source. */
const IN_PACKAGE_SOURCE = ['qemu-guest-agent']

/** Documentation and translations: half of the files, of no use in a lab. */
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*']

const FILES = join(import.meta.dirname, 'root')
const PREPARE = join(import.meta.dirname, 'prepare.sh')

export interface ImageOptions {
  /** Base URL under which guests will reach the package sources. */
  packageSourceUrl: string
  /** Told when an image has to be built, which takes about half a minute. */
  onBuild?: (name: ImageName) => void
}

export function isImageName(name: string): name is ImageName {
  return Object.hasOwn(SUITES, name)
}

/** The cached image, built first where it is missing. Concurrent callers build it once. */
export async function ensureImage(name: ImageName, options: ImageOptions): Promise<Image> {
  const folder = join(cacheFolder(), `${name}-${await recipeDigest(name, options)}`)
  if (await exists(folder)) return describe(name, folder)
  await mkdir(dirname(folder), { recursive: true })
  const release = await lock(dirname(folder), {
    lockfilePath: `${folder}.lock`,
    retries: { retries: 300, minTimeout: 500, maxTimeout: 1000 },
  })
  try {
    if (!(await exists(folder))) await buildImage(name, folder, options)
  } finally {
    await release()
  }
  return describe(name, folder)
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'proxmint', 'lab', 'images')
}

async function describe(name: ImageName, folder: string): Promise<Image> {
  const fileName = `${name}-genericcloud-${debianArchitecture()}.qcow2`
  const sha512 = (await readFile(join(folder, 'sha512'), 'utf8')).trim()
  return { name, path: join(folder, 'image.tar'), fileName, sha512, packages: join(folder, 'packages') }
}

function debianArchitecture(): string {
  return process.arch === 'arm64' ? 'arm64' : 'amd64'
}

async function buildImage(name: ImageName, folder: string, options: ImageOptions): Promise<void> {
  options.onBuild?.(name)
  const work = await mkdtemp(`${folder}.new-`)
  try {
    const partuuid = randomUUID()
    await makeRoot(name, work, { partuuid, packageSource: `${options.packageSourceUrl}/${name}` })
    await writeImage(join(work, 'image.tar'), join(work, 'root.tar'), name, partuuid)
    await writeFile(join(work, 'sha512'), await fileDigest(join(work, 'image.tar')))
    await rm(join(work, 'root.tar'))
    await rename(work, folder)
  } catch (error) {
    await rm(work, { recursive: true, force: true })
    throw new Error(`the lab's ${name} image could not be built: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

async function makeRoot(
  name: ImageName,
  work: string,
  settings: { partuuid: string; packageSource: string },
): Promise<void> {
  const files = join(work, 'files.tar')
  await run('tar', ['-C', FILES, '--owner=0', '--group=0', '--mode=u+rw,go+rX,go-w', '-cf', files, '.'])
  await mkdir(join(work, 'packages'))
  const arguments_ = [
    '--variant=minbase',
    `--include=${IN_IMAGE.join(',')}`,
    ...LEFT_OUT.map(path => `--dpkgopt=path-exclude=${path}`),
    `--customize-hook=${shellQuote(PREPARE)} "$1"`,
    `--customize-hook=sync-out /lab-packages ${shellQuote(join(work, 'packages'))}`,
    '--customize-hook=rm -r "$1/lab-packages"',
    `--customize-hook=tar-in ${shellQuote(files)} /`,
    SUITES[name],
    join(work, 'root.tar'),
  ]
  await run('mmdebstrap', arguments_, {
    env: {
      ...process.env,
      PARTUUID: settings.partuuid,
      PACKAGES: IN_PACKAGE_SOURCE.join(' '),
      PACKAGE_SOURCE: settings.packageSource,
    },
    missing: 'the lab makes its images with mmdebstrap; install the package mmdebstrap',
  })
  await rm(files)
}

async function writeImage(target: string, rootTar: string, name: ImageName, partuuid: string): Promise<void> {
  await writeFile(target, descriptionEntry(describeImage(name, partuuid)))
  await pipeline(createReadStream(rootTar), createWriteStream(target, { flags: 'a' }))
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha512')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** Changes with whatever goes into an image, so that a new recipe never meets an old cache. */
async function recipeDigest(name: ImageName, options: ImageOptions): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([name, IN_IMAGE, IN_PACKAGE_SOURCE, LEFT_OUT, options.packageSourceUrl]))
  for (const path of [PREPARE, ...(await filesBelow(FILES))]) {
    hash.update(relative(FILES, path))
    hash.update(await readFile(path))
  }
  return hash.digest('hex').slice(0, 16)
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** mmdebstrap hands hooks to a shell. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** The checksum list that stands beside a served image, in the format of Debian's own. */
export function checksumList(images: Image[]): string {
  return images.map(image => `${image.sha512}  ${basename(image.fileName)}\n`).join('')
}
