import { basename, dirname } from 'node:path'
import { ProxmintError } from '../run/errors.mts'
import { type CommandResult, runCommand } from '../run/exec.mts'
import { parseLockfile } from './lockfile-format.mts'
import type { Families } from './version.mts'

/** Local or remote branch, with the versions of its lockfile. */
interface BranchVersions {
  branch: string
  families: Families
}

/**
 * Reads the commit of the work tree, with `-dirty` if a file below these paths differs from it.
 * @returns null outside of a Git repository.
 */
export async function revisionOf(paths: string[], folder = process.cwd()): Promise<string | null> {
  const head = await git(folder, ['rev-parse', '--verify', '--quiet', 'HEAD'])
  if (head?.code !== 0) return null
  const status = await git(folder, ['status', '--porcelain', '--', ...paths])
  return `${head.stdout.trim()}${status?.stdout === '' ? '' : '-dirty'}`
}

/**
 * Reads the lockfiles of all branches of the repository.
 * @returns undefined outside of a Git repository.
 * @throws ProxmintError (invalid) if a lockfile cannot be read: the versions that it uses are unknown then.
 */
export async function lockfilesOfBranches(lockfile: string): Promise<BranchVersions[] | undefined> {
  const folder = dirname(lockfile)
  const prefix = await git(folder, ['rev-parse', '--show-prefix'])
  if (prefix?.code !== 0) return undefined
  const path = `${prefix.stdout.trim()}${basename(lockfile)}`
  const refs = await git(folder, ['for-each-ref', '--format=%(refname)', 'refs/heads', 'refs/remotes'])
  const found: BranchVersions[] = []
  for (const ref of (refs?.stdout ?? '').split('\n').filter(line => line !== '')) {
    const shown = await git(folder, ['show', `${ref}:${path}`])
    if (shown?.code !== 0) continue
    const branch = ref.replace(/^refs\/(heads|remotes)\//, '')
    found.push({ branch, families: await parseLockfile(shown.stdout, `${path} of the branch ${branch}`) })
  }
  return found
}

/** Runs Git; undefined if this machine has no Git. */
async function git(folder: string, args: string[]): Promise<CommandResult | undefined> {
  try {
    // Git's output is parsed, so it must not depend on the language of the machine.
    return await runCommand({ file: 'git', args, cwd: folder, env: { LC_ALL: 'C' } })
  } catch (error) {
    if (error instanceof ProxmintError && /no such/.test(error.message)) return undefined
    throw error
  }
}
