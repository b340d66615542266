/** How docs/lab.md starts the lab from another project, as it stands there. Python and Go: test/nightly/. */

import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { example, inProject, projectFile } from './clients/example.mts'

test('TypeScript', async () => {
  await writeFile(projectFile('lab.mts'), example('ts'))
  expect((await inProject(process.execPath, ['lab.mts'])).stdout).toBe('9.1\n')
})
