import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Template } from './template.mts'

/** What `packer build .` by hand leaves in the folder, and what only people read: no inputs. */
const notInputs = /^(manifest\.json|README\.md|.*\.example)$/

/** All that decides what a template family builds, as digests. */
export interface InputDigests {
  /** SHA-256 over all of them, hexadecimal. */
  digest: string
  /** The first 12 digits of each one's SHA-256, by its name: `file debian.pkr.hcl`, `variable bridge`. */
  inputs: Record<string, string>
}

/**
 * Digests every file of the family's folder, the variables, and what else decides. The same inputs give the
 * same digest on every machine.
 * @param further by name: `image debian-12`, `packer`.
 */
export async function inputDigests(
  { folder }: Pick<Template, 'folder'>,
  variables: Record<string, string>,
  further: Record<string, string> = {},
): Promise<InputDigests> {
  const files = (await filesBelow(folder)).map(
    async path => [`file ${path}`, await readFile(join(folder, path))] as const,
  )
  const given = Object.entries(variables).map(([name, value]) => [`variable ${name}`, value] as const)
  const all = [...(await Promise.all(files)), ...given, ...Object.entries(further)]
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
