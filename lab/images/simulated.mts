/** Images for simulated guests: a Debian installation with the lab's own commands in place of systemd and cloud-init. */

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from '../core/process.mts'
import { type Base, ensureBase } from './base.mts'
import { cachedFolder } from './cache.mts'
import { describeImage, descriptionEntry } from './format.mts'
import { fileDigest, type Image, type ImageName, type ImageOptions, imageFileName } from './image.mts'

/** The lab's own files: init, systemctl, cloud-init and what they need. */
const FILES = join(import.meta.dirname, 'root')

/** Commands that are systemctl by another name. They are made here because a package of npm holds no symbolic links. */
const NAMES_OF_SYSTEMCTL = ['halt', 'poweroff', 'reboot', 'shutdown'].map(name => `usr/sbin/${name}`)

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

/** One archive after the other: the description, the lab's files, the installation. */
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
 * Writes the archive without its end, so that another can follow. Modes do not depend on the umask of the checkout.
 * @param links folder for symbolic links, gone afterwards.
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
