import { chmod, readFile, stat } from 'node:fs/promises'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { codeOf } from '../run/errors.mts'

/**
 * Sets one value in a YAML file that a person edits; comments, the rest and the file's mode stay as they are. One that
 * is not there is made.
 */
export async function setYamlValue(path: string, keys: string[], value: string): Promise<void> {
  const { parseDocument, Scalar } = await import('yaml')
  const { text, mode } = await contentOf(path)
  const document = parseDocument(text)
  const scalar = new Scalar(value)
  scalar.type = 'QUOTE_DOUBLE'
  document.setIn(keys, scalar)
  await writeFileAtomic(path, document.toString({ lineWidth: 0 }), mode)
  // The umask may have taken something of it away.
  if (mode !== undefined) await chmod(path, mode)
}

async function contentOf(path: string): Promise<{ text: string; mode: number | undefined }> {
  try {
    return { text: await readFile(path, 'utf8'), mode: (await stat(path)).mode & 0o777 }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { text: '', mode: undefined }
    throw error
  }
}
