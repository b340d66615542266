/** Every Markdown document of the repository, and what is shown in it. */
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

export const repository = resolve(import.meta.dirname, '../..')

export interface Document {
  /** From the repository's root. */
  path: string
  text: string
}

/** Where documents are, besides the root. What is made (`node_modules`, `.proxmint`) is elsewhere. */
const folders = ['contracts', 'docs', 'lab', 'packer', 'scripts', 'secrets', 'terraform', 'test']

export async function documents(): Promise<Document[]> {
  const inRoot = await readdir(repository)
  const below = folders
    .filter(folder => inRoot.includes(folder))
    .map(async folder =>
      (await readdir(join(repository, folder), { recursive: true })).map(path => join(folder, path)),
    )
  const paths = [...inRoot, ...(await Promise.all(below)).flat()]
  return Promise.all(
    paths.filter(path => path.endsWith('.md') && !path.includes('fixtures')).map(loadDocument),
  )
}

export async function loadDocument(path: string): Promise<Document> {
  return { path, text: await readFile(join(repository, path), 'utf8') }
}

/** What stands between fences of a language, without their indentation. */
export function fencedBlocks({ text }: Document, language: string): string[] {
  const fences = text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^\\1\`\`\`$`, 'gms'))
  return [...fences].map(([, indent = '', block = '']) => block.replace(new RegExp(`^${indent}`, 'gm'), ''))
}

/** The one shell block that begins so. @throws when there is none, or more than one. */
export function blockOf(document: Document, beginning: string): string {
  const found = fencedBlocks(document, 'sh').filter(lines => lines.startsWith(beginning))
  if (found.length !== 1)
    throw new Error(`${document.path} has ${found.length} blocks that begin with ${beginning}`)
  return found[0]!
}
