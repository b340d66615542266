import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { writeFailed } from '../run/atomic-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { processCommand } from '../run/process.mts'
import { translateForPackaged } from './dialect.mts'
import type { Template } from './template.mts'

interface PackagedCopy {
  /** The family's folder within the copy. */
  folder: string
  changes: string[]
}

/**
 * Copies all template families and `common/` to `target`, so that paths such as `../common/clean-up.sh` lead somewhere
 * there too, and translates the files of one family for Packer 1.6.x. What stood in `target` before is removed.
 * @throws ProxmintError where it cannot be written; then nothing of it stays.
 */
export async function writePackagedCopy(template: Template, target: string): Promise<PackagedCopy> {
  try {
    return await copyTranslated(template, target)
  } catch (cause) {
    await rm(target, { recursive: true, force: true })
    throw cause instanceof ProxmintError ? cause : writeFailed(target, cause)
  }
}

/** The folder of this run's copies: other machines may share the state folder. */
export function copiesOfThisRun(stateDir: string): string {
  return join(stateDir, 'packaged', `${ownPrefix()}${process.pid}`)
}

function ownPrefix(): string {
  return `${hostname()}-`
}

/** Removes the copies of runs that were killed here; whether one of another machine runs cannot be seen. */
export async function removeStaleCopies(stateDir: string): Promise<void> {
  const folder = join(stateDir, 'packaged')
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter(name => name.startsWith(ownPrefix()))) {
    const pid = name.slice(ownPrefix().length)
    // The other machine's name may begin with this one's.
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
