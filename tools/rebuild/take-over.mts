/**
 * Takes over what a branch says of built VM templates: data alone. `rebuild.yml` goes on from the branch of its pull
 * request, which nobody has reviewed, so no other file of that branch may reach the work tree.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { writeVariables } from '../../scripts/lib/channels/mirror.mts'
import { exitCodes, ProxmintError } from '../../scripts/lib/run/errors.mts'
import { type CommandResult, command, runCommand } from '../../scripts/lib/run/exec.mts'
import { lockfilePath, readLockfile, updateLockfile } from '../../scripts/lib/templates/lockfile.mts'
import { parseLockfile } from '../../scripts/lib/templates/lockfile-format.mts'
import { readPackages, removePackages, writePackages } from '../../scripts/lib/templates/packages.mts'
import { type Families, versionsOf } from '../../scripts/lib/templates/version.mts'

/** Bytes of one file; a lockfile of 50 versions has 200 kB. */
const LARGEST_FILE = 5_000_000
/** Name and version of a package, without control characters. */
const PACKAGE = /^[^\p{C}\p{Zl}\p{Zp}]{1,300}$/u
/** The name of a version becomes the name of a file. */
const VERSION_NAME = /^[a-z0-9][a-z0-9.-]{0,120}$/

/**
 * Merges the lockfile of the branch into that of the work tree, and takes the package lists of its versions.
 * @returns One sentence about what was done.
 * @throws ProxmintError (invalid) If a file breaks its schema or its limits, or if both sides changed the same lines.
 */
export async function takeOver(branch: string, folder = process.cwd()): Promise<string> {
  const git: Git = (...args) => runCommand({ ...command`git ${args}`, cwd: folder })
  const commit = await git('rev-parse', '--verify', '--quiet', `${branch}^{commit}`)
  if (commit.code !== 0) return `there is no ${branch}: nothing to take over`
  const path = lockfilePath()
  const families = await mergedLockfile(git, branch, path)
  const before = await readLockfile(path)
  await updateLockfile(path, `take over ${branch}`, () => families)
  await takePackages(git, branch, path, { before, families })
  for (const warning of await writeVariables(families)) throw new ProxmintError(warning)
  return `the versions of ${branch} are taken over: ${namesOf(families).join(', ') || 'none'}`
}

type Git = (...args: string[]) => Promise<CommandResult>

async function mergedLockfile(git: Git, branch: string, path: string): Promise<Families> {
  const base = (await git('merge-base', 'HEAD', branch)).stdout.trim()
  const sides = ['HEAD', base, branch]
  const scratch = await mkdtemp(join(tmpdir(), 'proxmint-take-over-'))
  try {
    const files = sides.map((_, index) => join(scratch, String(index)))
    for (const [index, side] of sides.entries()) {
      await writeFile(files[index]!, (await contentOf(git, side, path)) ?? '')
    }
    const { code, stdout } = await git('merge-file', '-p', ...files)
    if (code !== 0) throw bothChanged(branch, path)
    const families = stdout === '' ? {} : await parseLockfile(`${stdout}\n`, `${path} of ${branch}`)
    const odd = namesOf(families).find(name => !VERSION_NAME.test(name))
    if (odd !== undefined) throw refused(branch, `${JSON.stringify(odd)} is not the name of a version`)
    return families
  } finally {
    await rm(scratch, { recursive: true })
  }
}

/** Content of a regular file; undefined if the commit has none. */
async function contentOf(git: Git, commit: string, path: string): Promise<string | undefined> {
  const listed = (await git('ls-tree', '-l', commit, '--', path)).stdout.trim()
  if (listed === '') return undefined
  const [mode, type, object, size] = listed.split(/\s+/)
  if (type !== 'blob' || mode === '120000') throw refused(commit, `${path} is not a regular file`)
  if (Number(size) > LARGEST_FILE) throw refused(commit, `${path} has ${size} bytes`)
  return (await git('cat-file', 'blob', object!)).stdout
}

async function takePackages(
  git: Git,
  branch: string,
  lockfile: string,
  { before, families }: { before: Families; families: Families },
): Promise<void> {
  const names = namesOf(families)
  for (const name of names) {
    if ((await readPackages(lockfile, name)) !== undefined) continue
    const file = join(dirname(lockfile), 'template-packages', `${name}.txt`)
    const packages = ((await contentOf(git, branch, file)) ?? '').split('\n').filter(line => line !== '')
    if (!packages.every(line => PACKAGE.test(line))) throw refused(branch, `${basename(file)} has odd lines`)
    await writePackages(lockfile, name, packages)
  }
  for (const gone of namesOf(before).filter(name => !names.includes(name)))
    await removePackages(lockfile, gone)
}

function namesOf(families: Families): string[] {
  return Object.values(families).flatMap(family => versionsOf(family).map(({ name }) => name))
}

function refused(branch: string, why: string): ProxmintError {
  return new ProxmintError(`${branch} is refused: ${why}`, {
    hint: 'look at who wrote it; to build without it, close the pull request and delete the branch',
    exitCode: exitCodes.invalid,
  })
}

function bothChanged(branch: string, path: string): ProxmintError {
  return new ProxmintError(`${path} changed here and in ${branch} at the same lines`, {
    hint: 'merge the pull request of that branch, or close it and delete the branch; then start the workflow again',
    exitCode: exitCodes.invalid,
  })
}
