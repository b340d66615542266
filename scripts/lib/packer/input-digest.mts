import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Template } from './template.mts'

/** What `packer build .` by hand leaves in the folder: an output, not an input. */
const handMadeManifest = 'manifest.json'

/**
 * Eight hexadecimal digits of a SHA-256 over all that decides what a template family builds: every file of
 * its folder and the variables. The same inputs give the same digest on every machine.
 */
export async function inputDigest({ folder }: Template, variables: Record<string, string>): Promise<string> {
  const hash = createHash('sha256')
  for (const path of await filesBelow(folder)) {
    hash
      .update(`${path}\0`)
      .update(await readFile(join(folder, path)))
      .update('\0')
  }
  hash.update(JSON.stringify(Object.entries(variables).sort()))
  return hash.digest('hex').slice(0, 8)
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && entry.name !== handMadeManifest)
    .map(entry =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}
