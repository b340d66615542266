/** Modes of files whatever the umask, and links that nothing is written through. */
import { execFile } from 'node:child_process'
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { writeFileAtomic } from '../../../scripts/lib/run/atomic-file.mts'
import { withLock } from '../../../scripts/lib/run/lock.mts'
import { openLog } from '../../../scripts/lib/run/log-file.mts'
import { privateFolder } from '../../../scripts/lib/run/private-folder.mts'
import { failureOf } from '../failure.mts'
import { limits, wanted } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

const scripts = resolve(import.meta.dirname, '../../../scripts')
const entries = resolve(import.meta.dirname, '../registry/entries.mts')

/** Writes all kinds of files below `.proxmint` of a folder, in a process with that umask. */
async function writeAll(umask: string): Promise<string> {
  const folder = await temporaryFolder()
  const script = `
    const { writeFileAtomic } = await import('${scripts}/lib/run/atomic-file.mts')
    const { openLog } = await import('${scripts}/lib/run/log-file.mts')
    const { withLock } = await import('${scripts}/lib/run/lock.mts')
    const { privateFolder } = await import('${scripts}/lib/run/private-folder.mts')
    const { openFileStore } = await import('${scripts}/lib/registry/file/file-store.mts')
    const { openFileJournal } = await import('${scripts}/lib/chain/file-journal.mts')
    const { wanted, limits } = await import('${entries}')
    const state = '${folder}/.proxmint'
    openLog(state + '/logs/x.log').write('line')
    await openFileJournal(state, { call: async () => '0x0' , chainId: 5 }).catch(() => undefined)
    const store = openFileStore({ folder: state + '/registry', purpose: 'test' })
    await store.reserve([wanted('web-1')], limits())
    await store.close()
    privateFolder(state, 'manifests')
    await withLock({ path: state + '/deep/base', purpose: 'test' }, async () => undefined)
    await writeFileAtomic(state + '/transactions/1/a.json', '{}', 0o600)
    const { makeCopiesFolder } = await import('${scripts}/lib/packer/packaged-copy.mts')
    makeCopiesFolder(state)
    await writeFileAtomic('${folder}/config/templates.lock.json', '{}')
  `
  const line = `umask ${umask} && exec "$0" --input-type=module -e "$1"`
  await promisify(execFile)('sh', ['-c', line, process.execPath, script])
  return folder
}

async function modes(folder: string): Promise<[path: string, mode: number][]> {
  const found = await readdir(folder, { recursive: true })
  return Promise.all(
    found.map(async path => [path, (await lstat(join(folder, path))).mode & 0o777] as [string, number]),
  )
}

test.each(['000', '022', '077'])(
  'umask %s: what is private is private, what is shared is readable',
  async umask => {
    const folder = await writeAll(umask)
    const all = await modes(folder)
    expect(all.length).toBeGreaterThan(10)
    const state = all.filter(([path]) => path.startsWith('.proxmint'))
    expect(state.filter(([, mode]) => (mode & 0o077) !== 0)).toEqual([])
    expect(state).toContainEqual(['.proxmint', 0o700])
    expect(state).toContainEqual(['.proxmint/logs/x.log', 0o600])
    expect(all).toContainEqual(['config/templates.lock.json', 0o644])
    expect(all.find(([path]) => path === 'config')![1] & 0o022).toBe(0)
  },
)

test.each(['000', '077'])('umask %s: a command lets no other user write', async umask => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'config'))
  const program = join(folder, 'umask.mts')
  await writeFile(
    program,
    `import { writeFileSync } from 'node:fs'
     const { runMain } = await import('${scripts}/lib/run/main.mts')
     await runMain({ name: 'x', summary: '', usage: '', options: {}, positionals: 0, uses: [], writes: [], example: '',
       run: async () => void writeFileSync('${folder}/by-a-child', 'x') })`,
  )
  await promisify(execFile)('sh', ['-c', `umask ${umask} && exec "$0" "$1"`, process.execPath, program])
  expect((await stat(join(folder, 'by-a-child'))).mode & 0o022).toBe(0)
})

test('a state folder that others may write is closed to them', async () => {
  const state = join(await temporaryFolder(), '.proxmint')
  await mkdir(join(state, 'logs'), { recursive: true })
  await chmod(state, 0o777)
  await chmod(join(state, 'logs'), 0o777)
  privateFolder(state, 'logs')
  expect((await stat(state)).mode & 0o777).toBe(0o775)
  expect((await stat(join(state, 'logs'))).mode & 0o777).toBe(0o775)
})

describe('links', () => {
  /** A state folder with a link in it to a folder of the user's, with a file. */
  async function withLink(name: string): Promise<{ state: string; own: string }> {
    const folder = await temporaryFolder()
    const [state, own] = [join(folder, '.proxmint'), join(folder, 'scripts')]
    await mkdir(state)
    await mkdir(own)
    await writeFile(join(own, 'x.log'), 'of the user')
    await symlink(own, join(state, name))
    return { state, own }
  }

  const untouched = async (own: string): Promise<void> => {
    expect(await readdir(own)).toEqual(['x.log'])
    expect(await readFile(join(own, 'x.log'), 'utf8')).toBe('of the user')
  }

  test('a folder of logs that is a link', async () => {
    const { state, own } = await withLink('logs')
    const failure = await failureOf(() => openLog(join(state, 'logs/x.log')))
    expect(failure.message).toBe(`${state}/logs is a link: proxmint writes nothing there`)
    expect(failure.hint).toContain('only the state folder as a whole may be a link')
    await untouched(own)
  })

  test('a registry that is a link', async () => {
    const { state, own } = await withLink('registry')
    const store = openFileStore({ folder: join(state, 'registry'), purpose: 'test' })
    const failure = await failureOf(() => store.reserve([wanted('web-1')], limits()))
    expect(failure.message).toContain('is a link')
    await untouched(own)
  })

  test('a log, a holder of a lock, a temporary file and a target that are links', async () => {
    const folder = await temporaryFolder()
    const own = join(folder, 'own.txt')
    await writeFile(own, 'of the user')
    await mkdir(join(folder, 'logs'))
    await symlink(own, join(folder, 'logs/x.log'))
    await failureOf(() => openLog(join(folder, 'logs/x.log')))
    await symlink(own, join(folder, 'lock.holder'))
    await withLock({ path: join(folder, 'lock'), purpose: 'test' }, async () => undefined)
    await symlink(own, join(folder, `.state.json.${process.pid}.tmp`))
    await symlink(own, join(folder, 'state.json'))
    await writeFileAtomic(join(folder, 'state.json'), 'new')
    expect((await lstat(join(folder, 'state.json'))).isSymbolicLink()).toBe(false)
    expect(await readFile(own, 'utf8')).toBe('of the user')
  })

  test('a state folder that is a link to another disk works', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'disk'))
    await symlink(join(folder, 'disk'), join(folder, '.proxmint'))
    using log = openLog(join(folder, '.proxmint/logs/x.log'))
    log.write('line')
    const store = openFileStore({ folder: join(folder, '.proxmint/registry'), purpose: 'test' })
    await store.reserve([wanted('web-1')], limits())
    await store.close()
    expect(await readFile(join(folder, 'disk/logs/x.log'), 'utf8')).toBe('line\n')
    expect(await readdir(join(folder, 'disk/registry'))).not.toEqual([])
  })
})
