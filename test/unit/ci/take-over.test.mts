import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, expect, test } from 'vitest'
import { addCandidate } from '../../../scripts/lib/templates/channels.mts'
import { formatLockfile, parseLockfile } from '../../../scripts/lib/templates/lockfile-format.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'

const run = promisify(execFile)
const program = resolve(import.meta.dirname, '../../../tools/rebuild/run.mts')
const LOCKFILE = 'config/templates.lock.json'

let folder: string

const git = async (...args: string[]): Promise<string> => (await run('git', ['-C', folder, ...args])).stdout
const takeOver = async (): Promise<{ stdout: string; stderr: string; code?: number }> =>
  run(process.execPath, [program, 'rebuild'], { cwd: folder }).catch(error => error)

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), text)
}

async function commit(): Promise<void> {
  await git('add', '--all')
  await git('commit', '-q', '-m', 'work')
}

/** A repository with one version, and a branch `rebuild` on which `change` was committed. */
async function withBranch(change: () => Promise<unknown>): Promise<void> {
  await git('switch', '-q', '-c', 'rebuild')
  await change()
  await commit()
  await git('switch', '-q', 'main')
}

const lockfileOf = (...days: number[]): string =>
  formatLockfile(days.reduce((families, day) => addCandidate(families, 'debian', version(day)), {}))

beforeEach(async () => {
  folder = await temporaryFolder()
  await run('git', ['init', '-q', '-b', 'main', folder])
  await git('config', 'user.name', 'test')
  await git('config', 'user.email', 'test@example.net')
  await write(LOCKFILE, lockfileOf(1))
  await write('terraform/templates.auto.tfvars.json', '{}')
  await write('scripts/build.mts', 'good')
  await commit()
})

test('versions and package lists are taken, and what follows from them is made anew', async () => {
  await withBranch(async () => {
    await write(LOCKFILE, lockfileOf(1, 2))
    await write(`config/template-packages/${version(2).name}.txt`, 'bash 5.2\nopenssl 3.0.1\n')
  })
  await write('README.md', 'later')
  await commit()
  expect((await takeOver()).stdout).toContain(`taken over: ${version(2).name}`)
  expect(await readFile(join(folder, LOCKFILE), 'utf8')).toBe(lockfileOf(1, 2))
  const packages = join(folder, `config/template-packages/${version(2).name}.txt`)
  expect(await readFile(packages, 'utf8')).toBe('bash 5.2\nopenssl 3.0.1\n')
  const variables = await readFile(join(folder, 'terraform/templates.auto.tfvars.json'), 'utf8')
  expect(JSON.parse(variables)).toEqual({ templates: {} })
})

test('a program, a hook, a config and a package list of no version stay where they are', async () => {
  await withBranch(async () => {
    await write(LOCKFILE, lockfileOf(1, 2))
    await write('scripts/build.mts', 'evil')
    await write('package.json', '{"scripts":{"postinstall":"evil"}}')
    await write('Makefile', 'setup:\n\tevil')
    await write('.gitattributes', '* filter=evil')
    await write('config/proxmint.yaml', 'evil')
    await write('config/template-packages/unknown.txt', 'evil')
    await write('terraform/templates.auto.tfvars.json', '{"evil":1}')
  })
  expect((await takeOver()).stdout).toContain('taken over')
  const changed = (await git('status', '--porcelain', '--untracked-files=all')).trim().split('\n')
  expect(changed.map(line => line.slice(2).trim()).sort()).toEqual([
    LOCKFILE,
    'terraform/templates.auto.tfvars.json',
  ])
  expect(await readFile(join(folder, 'scripts/build.mts'), 'utf8')).toBe('good')
  expect(await readFile(join(folder, 'terraform/templates.auto.tfvars.json'), 'utf8')).not.toContain('evil')
})

test.each<[string, () => Promise<unknown>, string]>([
  ['a lockfile that breaks its schema', () => write(LOCKFILE, '{"version":1,"families":{"x":1}}'), 'invalid'],
  ['a lockfile that is not JSON', () => write(LOCKFILE, '#!/bin/sh\n'), 'invalid'],
  [
    'a version by a path',
    () => write(LOCKFILE, lockfileOf(1).replaceAll(version(1).name, '../../../keys')),
    '',
  ],
  [
    'a link in the place of the lockfile',
    async () => {
      await rm(join(folder, LOCKFILE))
      await symlink('/etc/passwd', join(folder, LOCKFILE))
    },
    'not a regular file',
  ],
  [
    'a package list with terminal escapes',
    async () => {
      await write(LOCKFILE, lockfileOf(1, 2))
      await write(`config/template-packages/${version(2).name}.txt`, 'bash \u001b]52;c;x\u0007\n')
    },
    'odd lines',
  ],
])('%s is refused, and the lockfile stays', async (_, change, says) => {
  await withBranch(change)
  const { code, stderr } = await takeOver()
  expect(code).toBe(3)
  expect(stderr).toContain(says)
  expect(stderr).toContain('hint:')
  expect(await readFile(join(folder, 'scripts/build.mts'), 'utf8')).toBe('good')
  expect(await readdir(join(folder, 'config'))).not.toContain('keys.txt')
  await parseLockfile(await readFile(join(folder, LOCKFILE), 'utf8'), LOCKFILE)
})

test('a change on both sides ends with what to do', async () => {
  await withBranch(() => write(LOCKFILE, lockfileOf(1, 2)))
  await write(LOCKFILE, lockfileOf(1, 3))
  await commit()
  const { code, stderr } = await takeOver()
  expect(code).toBe(3)
  expect(stderr).toContain('hint: merge the pull request of that branch')
  expect(await readFile(join(folder, LOCKFILE), 'utf8')).toBe(lockfileOf(1, 3))
})

test('without such a branch there is nothing to do', async () => {
  expect(await takeOver()).toMatchObject({ stdout: expect.stringContaining('nothing to take over') })
})
