/** Files below a folder of templates, with what links point to. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { enter, kindOf } from './links.mts'

/** Folders that are not part of a template: downloads of Packer, and the data of Git. */
export const NOT_TEMPLATE: readonly string[] = ['packer_cache', '.git']

/** Files that are not inputs: output of a manual `packer build .`, logs, and documents. */
const NOT_INPUTS = /^(manifest\.json|README\.md|.*\.example|.*\.log)$/

/**
 * Lists the input files below a folder. A link to a folder is followed, except one that leads back to a folder above.
 * @returns Paths from the folder, with `/`; also links without a target, for whoever reads them to report.
 */
export async function inputFilesBelow(folder: string): Promise<string[]> {
  return filesIn(folder, '', (await enter([], folder)) ?? [])
}

async function filesIn(root: string, path: string, chain: string[]): Promise<string[]> {
  const names = (await readdir(join(root, path))).filter(name => !NOT_INPUTS.test(name))
  const found = await Promise.all(
    names.map(name => filesAt(root, path === '' ? name : `${path}/${name}`, name, chain)),
  )
  return found.flat()
}

async function filesAt(root: string, path: string, name: string, chain: string[]): Promise<string[]> {
  const kind = await kindOf(join(root, path))
  if (kind === 'file' || kind === 'broken') return [path]
  if (kind !== 'folder' || NOT_TEMPLATE.includes(name)) return []
  const inner = await enter(chain, root, path)
  return inner === undefined ? [] : filesIn(root, path, inner)
}
