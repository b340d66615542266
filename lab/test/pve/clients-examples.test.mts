/** The ways that docs/lab.md shows to start the lab from another project, as they stand there. */

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pythonWith } from './clients/install.mts'

const run = promisify(execFile)
const repository = resolve(import.meta.dirname, '../../..')
const page = await readFile(join(repository, 'docs/lab.md'), 'utf8')

let folder: string
let project: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lab-examples-'))
  project = join(folder, 'project')
  await mkdir(project)
  await symlink(repository, join(folder, 'proxmint'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The one block in that language below "In another project". */
function example(language: string): string {
  const [, section = ''] = page.split('\n## In another project\n')
  const blocks = [...section.split('\n## ')[0]!.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  const found = blocks.filter(([, name]) => name === language)
  expect(found, `one example in ${language}`).toHaveLength(1)
  return found[0]![2]!
}

const inProject = (file: string, args: string[], env: Record<string, string> = {}) =>
  run(file, args, { cwd: project, env: { ...process.env, ...env } })

test('TypeScript', async () => {
  await writeFile(join(project, 'lab.mts'), example('ts'))
  expect((await inProject(process.execPath, ['lab.mts'])).stdout).toBe('9.1\n')
})

test('pytest', async ({ skip }) => {
  const packages = ['pytest==9.0.1', 'proxmoxer==2.3.0', 'requests']
  const python = await pythonWith('pytest-9.0.1', packages)
  if (python.missing) console.warn(`SKIPPED: pytest cannot be installed: ${python.missing}`)
  skip(python.missing !== undefined, python.missing)
  await writeFile(join(project, 'test_lab.py'), example('python'))
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
  await writeFile(join(project, 'lab_test.go'), example('go'))
  await writeFile(join(project, 'go.mod'), 'module example\n\ngo 1.21\n')
  const { stdout } = await inProject('go', ['test', '-count=1', '.'], { GOWORK: 'off', GOFLAGS: '' })
  expect(stdout).toMatch(/^ok\s+example/)
})
