/** How docs/lab.md starts the lab from projects in other languages, as it stands there. */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { example, inProject, projectFile } from '../../lab/test/pve/clients/example.mts'
import { pythonWith } from '../../lab/test/pve/clients/install.mts'

const run = promisify(execFile)

test('pytest', async ({ skip }) => {
  const packages = ['pytest==9.0.1', 'proxmoxer==2.3.0', 'requests']
  const python = await pythonWith('pytest-9.0.1', packages)
  if (python.missing) console.warn(`SKIPPED: pytest cannot be installed: ${python.missing}`)
  skip(python.missing !== undefined, python.missing)
  await writeFile(projectFile('test_lab.py'), example('python'))
  const { stdout } = await inProject(python.file!, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider'])
  expect(stdout).toMatch(/^1 passed/m)
})

test('Go', async ({ skip }) => {
  const missing = await run('go', ['version']).then(
    () => undefined,
    error => (error as Error).message,
  )
  if (missing) console.warn(`SKIPPED: no Go: ${missing}`)
  skip(missing !== undefined, missing)
  await writeFile(projectFile('lab_test.go'), example('go'))
  await writeFile(projectFile('go.mod'), 'module example\n\ngo 1.21\n')
  const { stdout } = await inProject('go', ['test', '-count=1', '.'], { GOWORK: 'off', GOFLAGS: '' })
  expect(stdout).toMatch(/^ok\s+example/)
})
