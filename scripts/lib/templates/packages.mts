/** Package lists of versions, and how two of them differ. A package is `NAME VERSION`. */
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { ifThere } from '../run/if-there.mts'

/** Path of the package list of a version. It has its own file, so that the lockfile stays readable. */
function path(lockfile: string, version: string): string {
  return join(dirname(lockfile), 'template-packages', `${version}.txt`)
}

/** Stores the packages that the acceptance test found, one a line and sorted. Without packages it writes nothing. */
export async function writePackages(lockfile: string, version: string, packages: string[]): Promise<void> {
  if (packages.length === 0) return
  await writeFileAtomic(path(lockfile, version), `${packages.toSorted().join('\n')}\n`)
}

/** Reads the packages of a version; undefined if no list was stored. */
export async function readPackages(lockfile: string, version: string): Promise<string[] | undefined> {
  const text = await ifThere(readFile(path(lockfile, version), 'utf8'))
  return text?.split('\n').filter(line => line !== '')
}

export async function removePackages(lockfile: string, version: string): Promise<void> {
  await rm(path(lockfile, version), { force: true })
}

/** Differences between two package lists. */
export interface PackageChanges {
  added: string[]
  removed: string[]
  /** Entries such as `openssl 3.0.1 -> 3.0.2`. */
  changed: string[]
}

export function packageChanges(before: string[], after: string[]): PackageChanges {
  const [old, now] = [versionsByName(before), versionsByName(after)]
  const names = [...new Set([...old.keys(), ...now.keys()])].sort()
  return {
    added: names.filter(name => !old.has(name)).map(name => `${name} ${now.get(name)}`.trim()),
    removed: names.filter(name => !now.has(name)).map(name => `${name} ${old.get(name)}`.trim()),
    changed: names
      .filter(name => old.has(name) && now.has(name) && old.get(name) !== now.get(name))
      .map(name => `${name} ${old.get(name)} -> ${now.get(name)}`),
  }
}

function versionsByName(packages: string[]): Map<string, string> {
  return new Map(
    packages.map(line => {
      const [name = '', ...version] = line.split(/\s+/)
      return [name, version.join(' ')]
    }),
  )
}
