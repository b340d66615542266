/** Writes docs/lab-coverage.md: run as `npm run lab:coverage -- FILE`. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { routes } from '../routes.mts'
import { readConformity } from './conformity.mts'
import { coveredBy, loadApiSchema } from './schema.mts'
import { coverageDocument } from './table.mts'

const target = join(import.meta.dirname, '../../../docs/lab-coverage.md')

const [file] = process.argv.slice(2)
if (file === undefined) {
  process.stderr.write(
    "usage: npm run lab:coverage -- FILE\nFILE is Proxmox's apidata.json, from pve-docs.\n",
  )
  process.exitCode = 2
} else {
  const document = coverageDocument(routes.map(coveredBy), await loadApiSchema(file), await readConformity())
  await writeFile(target, document)
  process.stdout.write(`${routes.length} operations covered: ${target}\n`)
}
