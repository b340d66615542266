/** Copies of the templates that are translated for Packer 1.6.x. */

import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { writeFailed } from '../run/atomic-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { processCommand } from '../run/process.mts'
import { translateForPackaged } from './dialect.mts'
import type { Template } from './template.mts'

interface PackagedCopy {
  /** Folder of the family in the copy. */
  folder: string
  changes: string[]
}

/**
 * Replaces `target` by a copy of all template families and `common/`, so that paths such as `../common/x.sh` work
 * there. Translates the files of one family for Packer 1.6.x.
 * @throws ProxmintError If it cannot be written; the copy is removed then.
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
  return join(stateDir, 'packaged', `${ownPrefix()}${process.pid}`)
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
  const folder = join(target, basename(template.folder))
  await rm(target, { recursive: true, force: true })
  await mkdir(target, { recursive: true })
  await cp(dirname(template.folder), target, { recursive: true })
  const changes = new Set<string>()
  for (const file of template.files) {
    const translated = translateForPackaged(file.text, file.path)
    for (const change of translated.changes) changes.add(change)
    await writeFile(join(folder, basename(file.path)), translated.text)
  }
  return { folder, changes: [...changes] }
}
