import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { addCandidate } from '../../../scripts/lib/templates/channels.mts'
import { lockfilesOfBranches, revisionOf } from '../../../scripts/lib/templates/git.mts'
import { formatLockfile } from '../../../scripts/lib/templates/lockfile-format.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import { version } from './sample.mts'

const run = promisify(execFile)

interface Repository {
  folder: string
  lockfile: string
  git(...args: string[]): Promise<string>
  /** Commits a lockfile with one candidate, of that day. */
  commit(day: number): Promise<void>
}

/** A repository in which the project is a folder, with one commit on main. */
async function repository(): Promise<Repository> {
  const folder = await temporaryFolder()
  const project = join(folder, 'infra')
  const lockfile = join(project, 'config/templates.lock.json')
  const git = async (...args: string[]): Promise<string> => (await run('git', ['-C', folder, ...args])).stdout
  await mkdir(join(project, 'config'), { recursive: true })
  await git('init', '-q', '-b', 'main')
  await git('config', 'user.name', 'test')
  await git('config', 'user.email', 'test@example.net')
  const commit = async (day: number): Promise<void> => {
    await writeFile(lockfile, formatLockfile(addCandidate({}, 'debian', version(day))))
    await git('add', '.')
    await git('commit', '-q', '-m', `day ${day}`)
  }
  await commit(1)
  return { folder: project, lockfile, git, commit }
}

describe('the lockfiles of branches', () => {
  test('local and remote ones, also those without a lockfile beside', async () => {
    const { lockfile, git, commit } = await repository()
    await git('switch', '-q', '-c', 'next/one')
    await commit(2)
    await git('update-ref', 'refs/remotes/origin/old', 'main')
    await git('switch', '-q', '--orphan', 'empty')
    await git('commit', '-q', '--allow-empty', '-m', 'nothing')
    await git('switch', '-q', 'main')
    const found = await lockfilesOfBranches(lockfile)
    const days = found!.map(({ branch, families }) => [branch, families['debian']!.candidate!.name])
    expect(days).toEqual([
      ['main', version(1).name],
      ['next/one', version(2).name],
      ['origin/old', version(1).name],
    ])
  })

  test('one that cannot be understood: which branch', async () => {
    const { lockfile, git } = await repository()
    await git('switch', '-q', '-c', 'broken')
    await writeFile(lockfile, '{')
    await git('commit', '-q', '-a', '-m', 'broken')
    await git('switch', '-q', 'main')
    const failure = await failureOf(() => lockfilesOfBranches(lockfile))
    expect(failure.message).toContain('infra/config/templates.lock.json of the branch broken is invalid')
  })

  test('unknown outside of a repository', async () => {
    const folder = await temporaryFolder()
    expect(await lockfilesOfBranches(join(folder, 'templates.lock.json'))).toBeUndefined()
  })
})

describe('the revision', () => {
  test('the commit, marked where a file that matters differs', async () => {
    const { folder, git } = await repository()
    const head = (await git('rev-parse', 'HEAD')).trim()
    await writeFile(join(folder, 'notes.txt'), 'x')
    expect(await revisionOf(['config'], folder)).toBe(head)
    await writeFile(join(folder, 'config/new.yaml'), 'x')
    expect(await revisionOf(['config'], folder)).toBe(`${head}-dirty`)
  })

  test('none outside of a repository', async () => {
    expect(await revisionOf(['config'], await temporaryFolder())).toBeNull()
  })
})
