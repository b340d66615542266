/**
 * Writes config/vm.schema.json, config/fleet.schema.json and the tables of docs/vm-options.md from the table of VM options.
 * Run: `npm run vm-options`.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { VM_OPTIONS } from '../../scripts/lib/config/vm-options.mts'
import { generatedFiles } from './files.mts'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFile(new URL(path, root), 'utf8')

for (const [path, text] of Object.entries(await generatedFiles(VM_OPTIONS, read))) {
  await writeFile(new URL(path, root), text)
}
