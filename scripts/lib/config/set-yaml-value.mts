import { chmod, readFile, stat } from 'node:fs/promises'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { ifThere } from '../run/if-there.mts'

/**
 * Sets a value in a YAML file that people edit. Comments, other values and the mode of the file stay. A missing file is
 * created.
 */
export async function setYamlValue(path: string, keys: string[], value: string): Promise<void> {
  const { parseDocument, Scalar } = await import('yaml')
  const text = (await ifThere(readFile(path, 'utf8'))) ?? ''
  const found = await ifThere(stat(path))
  const mode = found && found.mode & 0o777
  const document = parseDocument(text)
  const scalar = new Scalar(value)
  scalar.type = 'QUOTE_DOUBLE'
  document.setIn(keys, scalar)
  await writeFileAtomic(path, document.toString({ lineWidth: 0 }), mode)
  // The umask may have removed bits of the mode.
  if (mode !== undefined) await chmod(path, mode)
}
