/** The workflows of GitHub, by actionlint, and what it does not look at. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { which } from 'zx/core'
import { isAtLeast, versionIn } from '../../scripts/lib/tools/versions.mts'

const run = promisify(execFile)
const repository = resolve(import.meta.dirname, '../..')
const folder = join(repository, '.github/workflows')

let names: string[]
let texts: string[]

beforeAll(async () => {
  names = (await readdir(folder)).sort()
  texts = await Promise.all(names.map(name => readFile(join(folder, name), 'utf8')))
})

const actionlint = (...args: string[]) =>
  run('go', ['tool', 'actionlint', ...args], { cwd: join(repository, 'tools/go/actionlint') })

/** Why it cannot be had. A Go older than 1.21 fetches no newer one by itself; the module comes from Go's proxy. */
async function lacking(): Promise<string | undefined> {
  if ((await which('go', { nothrow: true })) === null) return 'Go is not installed'
  const { stdout } = await run('go', ['version'])
  if (!isAtLeast(versionIn(stdout) ?? '0.0', '1.21')) return `${stdout.trim()} is older than 1.21`
  return actionlint('-version').then(
    () => undefined,
    error => String(error.stderr).trim().split('\n').at(-1),
  )
}

test('actionlint finds nothing', async context => {
  const reason = await lacking()
  if (reason !== undefined) context.skip(`actionlint cannot be had: ${reason}`)
  expect((await actionlint('-no-color', ...names.map(name => join(folder, name)))).stdout).toBe('')
  const broken = join(repository, 'test/fixtures/invalid/workflow.yml')
  await expect(actionlint('-no-color', broken)).rejects.toMatchObject({
    stdout: expect.stringContaining('potentially untrusted'),
  })
})

test('every action is pinned by its digest, with its version behind it', () => {
  const used = texts.flatMap(text => text.match(/uses: .*/g) ?? [])
  expect(used.length).toBeGreaterThan(3)
  expect(used.filter(line => !/^uses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual(
    [],
  )
})

test('nothing gets more rights than it needs', () => {
  const rights = texts.map(text => parse(text).permissions)
  expect(names).toEqual(['nightly.yml', 'rebuild.yml', 'reconcile.yml', 'test.yml'])
  expect(rights).toEqual([{ contents: 'read' }, {}, {}, { contents: 'read' }])
})

test('what runs beside Proxmox is started by no pull request', () => {
  const own = texts.filter(text => text.includes('self-hosted')).map(text => Object.keys(parse(text).on))
  expect(own).toEqual([
    ['schedule', 'workflow_dispatch'],
    ['schedule', 'workflow_dispatch'],
  ])
})
