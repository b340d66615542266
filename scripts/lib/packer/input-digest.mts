/** Digests of all inputs of a build, by which `--if-changed` and `templates diff` find changes. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join, posix, resolve } from 'node:path'
import { inputFilesBelow } from './family-files.mts'
import { brokenLink, kindOf, realPathOf } from './links.mts'
import type { Template } from './template.mts'

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

interface DigestedFolder extends Pick<Template, 'folder'> {
  /** Files and folders that the template names: paths from the folder, or absolute ones. */
  named?: string[]
}

/** A file that is an input. */
interface InputFile {
  /** Path for people, the same on every machine: `debian.pkr.hcl`, `../common/clean-up.sh`. */
  name: string
  path: string
}

/**
 * Computes the digests of every file of the family's folder, of the files outside that the family uses, of the variables
 * and of further inputs. A link counts as the file that it points to. The same inputs give the same digest on every
 * machine.
 * @param further Name -> content: `image debian-12`, `packer`.
 */
export async function inputDigests(
  { folder, named = [] }: DigestedFolder,
  variables: Record<string, string>,
  further: Record<string, string> = {},
): Promise<InputDigests> {
  const own = (await inputFilesBelow(folder)).map(name => ({ name, path: join(folder, name) }))
  const beside = await filesUsedOutside(folder, own)
  const used = [...beside, ...(await filesElsewhere(folder, named, [...own, ...beside]))]
  const files = await Promise.all(
    [...own, ...used].map(async ({ name, path }) => [`file ${name}`, await sha256OfFile(path)] as const),
  )
  const given = Object.entries(variables).map(([name, value]) => [`variable ${name}`, value] as const)
  const others = [...given, ...Object.entries(further)].map(([name, value]) => [name, sha256(value)] as const)
  const all = [...files, ...others].toSorted(([a], [b]) => (a < b ? -1 : 1))
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

/**
 * Finds the files below `packer/`, outside the family's folder, that its HCL names: `../common/clean-up.sh`. Other
 * shared files do not count: a change must not rebuild families that do not run the file. A folder, or a path with a
 * variable or a pattern, counts for every file that it can mean.
 */
async function filesUsedOutside(folder: string, own: InputFile[]): Promise<InputFile[]> {
  const templates = own.filter(({ name }) => /\.(hcl|pkr\.json|pkrvars\.json)$/.test(name))
  const texts = await Promise.all(templates.map(({ path }) => readFile(path, 'utf8').catch(() => '')))
  const named = texts.flatMap(text => text.match(PATH_OUTSIDE) ?? [])
  if (named.length === 0) return []
  const family = await realpath(folder)
  const families = dirname(family)
  const outside = (await inputFilesBelow(families)).filter(path => !path.startsWith(`${basename(family)}/`))
  return outside
    .filter(path => named.some(name => canMean(name, path)))
    .map(path => ({ name: `../${path}`, path: join(families, path) }))
}

/** Finds the named files, and the files of named folders, that are not inputs yet. Packer reports a missing one. */
async function filesElsewhere(folder: string, named: string[], known: InputFile[]): Promise<InputFile[]> {
  const found = await Promise.all(
    named.map(async (name): Promise<InputFile[]> => {
      const path = resolve(await realpath(folder), name)
      const kind = await kindOf(path)
      if (kind === 'file') return [{ name, path }]
      if (kind !== 'folder') return []
      return (await inputFilesBelow(path)).map(below => ({
        name: join(name, below),
        path: join(path, below),
      }))
    }),
  )
  const paths = new Set(await Promise.all(known.map(({ path }) => realPathOf(path))))
  const real = await Promise.all(
    found.flat().map(async file => ({ ...file, path: await realPathOf(file.path) })),
  )
  return [...new Map(real.filter(({ path }) => !paths.has(path)).map(file => [file.path, file])).values()]
}

/** True if `name`, as written in HCL, can mean the file `path`. Both are relative to the folder of the families. */
function canMean(name: string, path: string): boolean {
  const [known = ''] = name.split(/\$\{|\*/)
  const start = posix.normalize(known).replace(/^\.$/, '')
  if (known !== name || start === '' || start.endsWith('/')) return path.startsWith(start)
  return path === start || path.startsWith(`${start}/`)
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  } catch (cause) {
    throw await brokenLink(path, cause)
  }
  return hash.digest('hex')
}
