import { readFile } from 'node:fs/promises'
import { writeFileAtomic } from '../run/atomic-file.mts'

/** Sets one value in a YAML file that a person edits; comments and the rest stay as they are. */
export async function setYamlValue(path: string, keys: string[], value: string): Promise<void> {
  const { parseDocument, Scalar } = await import('yaml')
  const document = parseDocument(await readFile(path, 'utf8'))
  const scalar = new Scalar(value)
  scalar.type = 'QUOTE_DOUBLE'
  document.setIn(keys, scalar)
  await writeFileAtomic(path, document.toString({ lineWidth: 0 }))
}
