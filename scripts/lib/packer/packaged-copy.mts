/** Copies of the templates that are translated for Packer 1.6.x. */

import {
  constants,
  copyFile,
  lstat,
  mkdir,
  readdir,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { writeFailed } from '../run/atomic-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { privateFolder } from '../run/private-folder.mts'
import { processCommand } from '../run/process.mts'
import { translateForPackaged } from './dialect.mts'
import { NOT_TEMPLATE } from './family-files.mts'
import { kindOf, realPathOf } from './links.mts'
import { SHARED_FOLDER, type Template } from './template.mts'

interface PackagedCopy {
  /** Folder of the family in the copy. */
  folder: string
  changes: string[]
}

/**
 * Replaces `target` by a copy of one template family, translated for Packer 1.6.x, and of `common/`. Beside them are
 * links to the other entries of `packer/`, so that paths such as `../common/x.sh` and `../other/x.sh` work there. If the
 * template names files above `packer/`, the folders above are mirrored in that way too. Nothing is written through a
 * link: a link of the family becomes a link to the real path of its target.
 * @throws ProxmintError If it cannot be written; the copy is removed then. (invalid) For a link without a target.
 */
export async function writePackagedCopy(template: Template, target: string): Promise<PackagedCopy> {
  try {
    return await copyTranslated(template, target)
  } catch (cause) {
    await rm(target, { recursive: true, force: true })
    throw cause instanceof ProxmintError ? cause : writeFailed(target, cause)
  }
}

/** Folder of this run's copies. Its name has the host, since machines may share the state folder. */
export function copiesOfThisRun(stateDir: string): string {
  return join(stateDir, ...placeOfThisRun())
}

/** Makes the folder of this run's copies, readable by its owner only. */
export function makeCopiesFolder(stateDir: string): string {
  return privateFolder(stateDir, ...placeOfThisRun())
}

function placeOfThisRun(): [string, string] {
  return ['packaged', `${ownPrefix()}${process.pid}`]
}

function ownPrefix(): string {
  return `${hostname()}-`
}

/** Removes the copies of killed runs of this machine. */
export async function removeStaleCopies(stateDir: string): Promise<void> {
  const folder = join(stateDir, 'packaged')
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter(name => name.startsWith(ownPrefix()))) {
    const pid = name.slice(ownPrefix().length)
    // The name of another machine may begin with the name of this one.
    if (!/^\d+$/.test(pid)) continue
    const command = await processCommand(Number(pid))
    if (command?.includes('.mts') !== true) await rm(join(folder, name), { recursive: true, force: true })
  }
}

async function copyTranslated(template: Template, target: string): Promise<PackagedCopy> {
  await rm(target, { recursive: true, force: true })
  const folder = await mirrorAbove(template, target)
  const translated = new Set(template.files.map(file => basename(file.path)))
  await copyEntries(await realpath(template.folder), folder, translated)
  const changes = new Set<string>()
  for (const file of template.files) {
    const { text, changes: made } = translateForPackaged(file.text, file.path)
    for (const change of made) changes.add(change)
    await writeFile(join(folder, basename(file.path)), text, { flag: 'wx' })
  }
  return { folder, changes: [...changes] }
}

/** Makes the folders above the family in the copy. @returns The empty folder of the family in the copy. */
async function mirrorAbove(template: Template, target: string): Promise<string> {
  const family = await realpath(template.folder)
  const above = Array.from({ length: levelsAbove(template) }, () => '..')
  let from = resolve(family, ...above)
  let to = target
  await mkdir(to, { recursive: true })
  for (const name of relative(from, family).split(sep)) {
    for (const other of await readdir(from)) if (other !== name) await mirrorEntry(from, to, other, family)
    from = join(from, name)
    to = join(to, name)
    await mkdir(to)
  }
  return to
}

/** Counts how many folders up the template names files; at least 1, for `../common`. */
function levelsAbove({ files }: Template): number {
  const climbs = files.flatMap(({ text }) => text.match(/(?:\.\.\/+)+/g) ?? [])
  return Math.max(1, ...climbs.map(climb => climb.match(/\.\./g)!.length))
}

async function mirrorEntry(from: string, to: string, name: string, family: string): Promise<void> {
  if (NOT_TEMPLATE.includes(name)) return
  const [source, copy] = [join(from, name), join(to, name)]
  if (name !== SHARED_FOLDER || from !== dirname(family)) return symlink(source, copy)
  await mkdir(copy)
  await copyEntries(await realpath(source), copy)
}

/** Copies the entries of a folder. A link becomes a link to the real path of its target. @param except Names to leave out. */
async function copyEntries(from: string, to: string, except: ReadonlySet<string> = new Set()): Promise<void> {
  for (const name of await readdir(from)) {
    if (except.has(name) || NOT_TEMPLATE.includes(name)) continue
    const [source, copy] = [join(from, name), join(to, name)]
    const kind = await kindOf(source)
    if (kind === 'other') continue
    if ((await lstat(source)).isSymbolicLink()) await symlink(await realPathOf(source), copy)
    else if (kind === 'file') await copyFile(source, copy, constants.COPYFILE_FICLONE)
    else {
      await mkdir(copy)
      await copyEntries(source, copy)
    }
  }
}
