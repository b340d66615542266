import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { codeOf } from '../run/errors.mts'

/** The package list of a version: a file of its own, since the lockfile is to stay readable. */
function path(lockfile: string, version: string): string {
  return join(dirname(lockfile), 'template-packages', `${version}.txt`)
}

/** Keeps what the acceptance test found installed: a package a line, sorted. Nothing is written for none. */
export async function writePackages(lockfile: string, version: string, packages: string[]): Promise<void> {
  if (packages.length === 0) return
  await writeFileAtomic(path(lockfile, version), `${packages.toSorted().join('\n')}\n`)
}

/** Undefined where no list was kept. */
export async function readPackages(lockfile: string, version: string): Promise<string[] | undefined> {
  try {
    return (await readFile(path(lockfile, version), 'utf8')).split('\n').filter(line => line !== '')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

export async function removePackages(lockfile: string, version: string): Promise<void> {
  await rm(path(lockfile, version), { force: true })
}
