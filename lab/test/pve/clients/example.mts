/** A folder beside proxmint for the examples of docs/lab.md, "In another project". */

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect } from 'vitest'

const run = promisify(execFile)
const repository = resolve(import.meta.dirname, '../../../..')
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
export function example(language: string): string {
  const [, section = ''] = page.split('\n## In another project\n')
  const blocks = [...section.split('\n## ')[0]!.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  const found = blocks.filter(([, name]) => name === language)
  expect(found, `one example in ${language}`).toHaveLength(1)
  return found[0]![2]!
}

export const inProject = (file: string, args: string[], env: Record<string, string> = {}) =>
  run(file, args, { cwd: project, env: { ...process.env, ...env } })

/** A file of the project, by name. */
export const projectFile = (name: string): string => join(project, name)
