import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, posix } from 'node:path'
import type { Template } from './template.mts'

/** What `packer build .` by hand leaves in the folder, and what only people read: no inputs. */
const notInputs = /^(manifest\.json|README\.md|.*\.example)$/

/** A path out of the folder, as HCL names it: `../common/clean-up.sh`. */
const pathOutside = /(?<=\.\.\/)[^"'\s),\]]*/g

/** All that decides what a template family builds, as digests. */
export interface InputDigests {
  /** SHA-256 over all of them, hexadecimal. */
  digest: string
  /**
   * The first 12 digits of each one's SHA-256, by its name: `file debian.pkr.hcl`, `file ../common/clean-up.sh`,
   * `variable bridge`.
   */
  inputs: Record<string, string>
}

/**
 * Digests every file of the family's folder, the files beside it that the family uses, the variables, and what else
 * decides. The same inputs give the same digest on every machine.
 * @param further by name: `image debian-12`, `packer`.
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

/** In words, how the inputs differ from those of before: `file debian.pkr.hcl changed`. */
export function changedInputs(before: Record<string, string>, after: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap(name => {
    if (before[name] === after[name]) return []
    if (before[name] === undefined) return [`${name} is new`]
    return [after[name] === undefined ? `${name} is gone` : `${name} changed`]
  })
}

/** Paths with what the files hold. */
type Contents = (readonly [path: string, content: Buffer])[]

function contentsOf(folder: string, paths: string[]): Promise<Contents> {
  return Promise.all(paths.map(async path => [path, await readFile(join(folder, path))] as const))
}

/**
 * The files below `packer/`, outside the family's folder, that its HCL names: `../common/clean-up.sh`. Only those count,
 * so that a change of a shared script builds no family anew that does not run it. A path that names a folder, or that
 * goes on with a variable or a pattern, stands for every file it can mean.
 */
async function filesUsedOutside(folder: string, own: Contents): Promise<string[]> {
  const named = own
    .filter(([path]) => path.endsWith('.hcl'))
    .flatMap(([, content]) => content.toString().match(pathOutside) ?? [])
  if (named.length === 0) return []
  const outside = (await filesBelow(dirname(folder))).filter(path => !path.startsWith(`${basename(folder)}/`))
  return outside.filter(path => named.some(name => canMean(name, path))).map(path => `../${path}`)
}

/** Whether `name`, as it stands in HCL, can mean the file `path`; both from the folder of the families. */
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
    .filter(entry => entry.isFile() && !notInputs.test(entry.name))
    .map(entry =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
}
