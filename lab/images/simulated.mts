/** Images for simulated guests: a Debian installation with the lab's own commands instead of systemd and cloud-init. */

import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from '../core/process.mts'
import { cachedFolder } from './cache.mts'
import { type Installation, installDebian, recipeDigest } from './debian.mts'
import { describeImage, descriptionEntry } from './format.mts'
import { fileDigest, type Image, type ImageName, type ImageOptions, imageFileName } from './image.mts'

/** A Debian installation without the lab's own files. */
interface Base {
  rootTar: string
  /** Id of the root partition. */
  partuuid: string
  /** Folder with a flat apt repository of packages that guests can install. */
  packages: string
}

const IN_IMAGE = ['ca-certificates', 'iproute2', 'openssh-client', 'openssh-server', 'procps', 'sudo']

/** Packages that stand in for parts of systemd. */
const ALSO_IN_IMAGE: Record<ImageName, string[]> = {
  'debian-12': [],
  'debian-13': ['systemd-standalone-sysusers'],
}

/** The lab's own files: init, systemctl, cloud-init and their helpers. */
const FILES = join(import.meta.dirname, 'root')

/** Links to systemctl. They are made here because npm packages cannot contain symbolic links. */
const NAMES_OF_SYSTEMCTL = ['halt', 'poweroff', 'reboot', 'shutdown'].map(name => `usr/sbin/${name}`)

/** Size of the end mark of GNU tar with one block per record. */
const END_OF_ARCHIVE_BYTES = 1024

/** Returns the cached image. Makes it first if it is missing. */
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

/** Returns the cached installation. Makes it first if it is missing, which takes about half a minute. */
async function ensureBase(name: ImageName, options: ImageOptions): Promise<Base> {
  const installation: Installation = {
    name,
    packages: [...IN_IMAGE, ...ALSO_IN_IMAGE[name]],
    prepare: join(import.meta.dirname, 'prepare.sh'),
  }
  const digest = await recipeDigest(installation, options)
  const folder = await cachedFolder(`bases/${name}-${digest}`, async work => {
    options.onBuild?.(name)
    const partuuid = randomUUID()
    await installDebian(installation, work, options, { PARTUUID: partuuid })
    await writeFile(join(work, 'partuuid'), `${partuuid}\n`)
  })
  return {
    rootTar: join(folder, 'root.tar'),
    partuuid: (await readFile(join(folder, 'partuuid'), 'utf8')).trim(),
    packages: join(folder, 'packages'),
  }
}

/** Joins three archives: the description, the lab's files, the installation. */
async function writeImage(name: ImageName, base: Base, work: string): Promise<void> {
  const image = join(work, 'image.tar')
  await archiveFiles(image, join(work, 'links'))
  const files = await readFile(image)
  const description = descriptionEntry(describeImage(name, base.partuuid))
  await writeFile(image, Buffer.concat([description, files]))
  await pipeline(createReadStream(base.rootTar), createWriteStream(image, { flags: 'a' }))
  await writeFile(join(work, 'sha512'), await fileDigest(image))
}

/**
 * Writes an archive without its end mark, so that another can follow. Its modes do not depend on the umask.
 * @param links folder for symbolic links; it is removed.
 */
async function archiveFiles(target: string, links: string): Promise<void> {
  const asRoot = ['--owner=0', '--group=0', '--mode=u+rw,go+rX,go-w']
  await linkCommands(links)
  const parts = ['-C', FILES, '.', '-C', links, ...NAMES_OF_SYSTEMCTL]
  await run('tar', [...asRoot, '--blocking-factor=1', '-cf', target, ...parts])
  await rm(links, { recursive: true })
  const { length } = await readFile(target)
  await truncate(target, length - END_OF_ARCHIVE_BYTES)
}

async function linkCommands(folder: string): Promise<void> {
  for (const path of NAMES_OF_SYSTEMCTL.map(name => join(folder, name))) {
    await mkdir(dirname(path), { recursive: true })
    await symlink('../bin/systemctl', path)
  }
}

async function contentDigest(name: ImageName, base: Base): Promise<string> {
  const hash = createHash('sha256').update(`${name} ${base.partuuid} ${NAMES_OF_SYSTEMCTL}`)
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
