/** Digests of all inputs of a build, by which `--if-changed` and `templates diff` find changes. */

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, posix } from 'node:path'
import type { Template } from './template.mts'

/** Files that are not inputs: output of a manual `packer build .`, and documents. */
const NOT_INPUTS = /^(manifest\.json|README\.md|.*\.example)$/

/** Path after `../` in HCL: `common/clean-up.sh`. */
const PATH_OUTSIDE = /(?<=\.\.\/)[^"'\s),\]]*/g

export interface InputDigests {
  /** SHA-256 of all inputs, hexadecimal. */
  digest: string
  /**
   * Name of an input -> first 12 digits of its SHA-256. Names: `file debian.pkr.hcl`, `file ../common/clean-up.sh`,
   * `variable bridge`.
   */
  inputs: Record<string, string>
}

/**
 * Computes the digests of every file of the family's folder, of the shared files that the family uses, of the variables
 * and of further inputs. The same inputs give the same digest on every machine.
 * @param further Name -> content: `image debian-12`, `packer`.
 */
export async function inputDigests(
  { folder }: Pick<Template, 'folder'>,
  variables: Record<string, string>,
  further: Record<string, string> = {},
): Promise<InputDigests> {
  const own = await contentsOf(folder, await filesBelow(folder))
  const used = await contentsOf(folder, await filesUsedOutside(folder, own))
  const files = [...own, ...used].map(([path, content]) => [`file ${path}`, content] as const)
  const given = Object.entries(variables).map(([name, value]) => [`variable ${name}`, value] as const)
  const all = [...files, ...given, ...Object.entries(further)]
    .map(([name, content]) => [name, sha256(content)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return {
    digest: sha256(JSON.stringify(all)),
    inputs: Object.fromEntries(all.map(([name, digest]) => [name, digest.slice(0, 12)])),
  }
}

/** Compares two sets of inputs. @returns One phrase per difference: `file debian.pkr.hcl changed`. */
export function changedInputs(before: Record<string, string>, after: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap(name => {
    if (before[name] === after[name]) return []
    if (before[name] === undefined) return [`${name} is new`]
    return [after[name] === undefined ? `${name} is gone` : `${name} changed`]
  })
}

/** Paths and contents of files. */
type Contents = (readonly [path: string, content: Buffer])[]

function contentsOf(folder: string, paths: string[]): Promise<Contents> {
  return Promise.all(paths.map(async path => [path, await readFile(join(folder, path))] as const))
}

/**
 * Finds the files below `packer/`, outside the family's folder, that its HCL names: `../common/clean-up.sh`. Other
 * shared files do not count: a change must not rebuild families that do not run the file. A folder, or a path with a
 * variable or a pattern, counts for every file that it can mean.
 */
async function filesUsedOutside(folder: string, own: Contents): Promise<string[]> {
  const named = own
    .filter(([path]) => path.endsWith('.hcl'))
    .flatMap(([, content]) => content.toString().match(PATH_OUTSIDE) ?? [])
  if (named.length === 0) return []
  const outside = (await filesBelow(dirname(folder))).filter(path => !path.startsWith(`${basename(folder)}/`))
  return outside.filter(path => named.some(name => canMean(name, path))).map(path => `../${path}`)
}

/** True if `name`, as written in HCL, can mean the file `path`. Both are relative to the folder of the families. */
function canMean(name: string, path: string): boolean {
  const [known = ''] = name.split(/\$\{|\*/)
  const start = posix.normalize(known).replace(/^\.$/, '')
  if (known !== name || start === '' || start.endsWith('/')) return path.startsWith(start)
  return path === start || path.startsWith(`${start}/`)
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && !NOT_INPUTS.test(entry.name))
    .map(entry =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
}
