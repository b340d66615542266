/** Builds the package into `dist`: JavaScript, declarations, and the data files beside them. */

import { cp, mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from './core/process.mts'

const LAB = import.meta.dirname
const DIST = join(LAB, 'dist')

/** Folders that also contain other files than TypeScript. */
const WITH_DATA = ['guests', 'images', 'node-ssh']

/** Files from outside the package: path in the repository, path in `dist`. */
const FROM_OUTSIDE = {
  'contracts/build/AccessCredentialNFT.json': 'contracts/AccessCredentialNFT.json',
  LICENSE: 'LICENSE',
}

await rm(DIST, { recursive: true, force: true })
await run('tsc', ['--project', join(LAB, 'tsconfig.build.json')], { env: process.env })
for (const folder of WITH_DATA)
  await cp(join(LAB, folder), join(DIST, folder), { recursive: true, filter: path => !path.endsWith('.mts') })
for (const [from, to] of Object.entries(FROM_OUTSIDE)) {
  await mkdir(dirname(join(DIST, to)), { recursive: true })
  await cp(join(LAB, '..', from), join(DIST, to))
}
