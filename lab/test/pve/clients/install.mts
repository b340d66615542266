/** Puts other people's clients where the tests find them again: the user's cache, outside the work tree. */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'proxmint')

/** A file to run, or why there is none. */
export type Installed = { file: string; missing?: undefined } | { file?: undefined; missing: string }

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

async function installed(file: string, install: () => Promise<void>): Promise<Installed> {
  try {
    await install()
    return { file }
  } catch (error) {
    return { missing: (error as Error).message.trim().split('\n').slice(-3).join(' / ') }
  }
}

/**
 * The Python of an environment that holds `packages`.
 * @param name of the environment, with the version of what it is for.
 * @param packages as pip takes them, each pinned where its version matters.
 */
export function pythonWith(name: string, packages: string[]): Promise<Installed> {
  const folder = join(cache, name)
  return installed(join(folder, 'bin/python'), async () => {
    const done = join(folder, 'installed')
    if (await exists(done)) return
    await run('python3', ['-m', 'venv', folder])
    await run(join(folder, 'bin/pip'), ['install', '--quiet', ...packages])
    await writeFile(done, '')
  })
}

/** Builds a Go program. What is downloaded is verified by its committed go.sum. */
export async function goProgram(folder: string): Promise<Installed> {
  const sources = (await readdir(folder)).sort()
  const hash = createHash('sha256')
  for (const name of sources) hash.update(name).update(await readFile(join(folder, name)))
  const file = join(cache, 'go-clients', hash.digest('hex').slice(0, 16))
  return installed(file, async () => {
    if (await exists(file)) return
    await mkdir(join(cache, 'go-clients'), { recursive: true })
    const built = `${file}.${process.pid}`
    const env = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' }
    await run('go', ['build', '-mod=readonly', '-trimpath', '-o', built, '.'], { cwd: folder, env })
    await rename(built, file)
  })
}
