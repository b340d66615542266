/** The package as npm packs and installs it, in an empty folder outside the repository. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apiOf } from './guests/api.mts'

const LAB = join(import.meta.dirname, '..')

let folder: string
let app: string
let installed: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pve-lab-package-'))
  app = join(folder, 'app')
  installed = join(app, 'node_modules/pve-lab')
  await mkdir(app)
  await writeFile(join(app, 'package.json'), '{ "private": true }\n')
  // This repository lets npm run no scripts, and `prepack` is one.
  await npm(LAB, 'pack', '--ignore-scripts=false', '--pack-destination', folder)
  const [tarball] = (await readdir(folder)).filter(name => name.endsWith('.tgz'))
  await npm(app, 'install', '--prefer-offline', '--ignore-scripts', '--no-audit', join(folder, tarball!))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs npm as in a shell of its own: what an outer npm tells its scripts would lead it to that one's project. */
async function npm(cwd: string, ...args: string[]): Promise<void> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
  await promisify(execFile)('npm', args, { cwd, env })
}

const runPveLab = (...args: string[]) =>
  promisify(execFile)(process.execPath, [join(app, 'node_modules/.bin/pve-lab'), ...args], { cwd: app })

test('it holds what is built, the data beside it and the contract, and no source that Node.js refuses there', async () => {
  const files = await readdir(installed, { recursive: true })
  expect(files.filter(name => /(?<!\.d)\.mts$/.test(name))).toEqual([])
  const data = ['node-ssh/confine.sh', 'guests/sim/as-subreaper.pl', 'contracts/AccessCredentialNFT.json']
  for (const name of data) await access(join(installed, 'dist', name))
  const init = await stat(join(installed, 'dist/images/root/usr/sbin/init'))
  expect(init.mode & 0o111).toBe(0o111)
})

test('it starts a lab with a chain, answers as Proxmox does, and stops it', async () => {
  const up = ['up', '--guests', 'none', '--chain', '--json']
  const child = spawn(process.execPath, [join(app, 'node_modules/.bin/pve-lab'), ...up], {
    cwd: app,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  try {
    const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
    const ready = JSON.parse(line)
    expect(await apiOf(ready)('GET', '/version')).toMatchObject({
      status: 200,
      data: { version: expect.stringMatching(/^9\./) },
    })
    expect(ready.rpcUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await runPveLab('down')).stdout).toBe(`The lab at ${ready.url} is down.\n`)
    expect(await ended).toEqual([0, null])
  } finally {
    child.kill('SIGTERM')
    await ended
  }
})

test('it is imported by name, with its types', async () => {
  await writeFile(
    join(app, 'use.mts'),
    [
      "import { createLab } from 'pve-lab'",
      "import { createNoneDriver } from 'pve-lab/guests/none'",
      "import { createPveServer } from 'pve-lab/server'",
      'const [fault] = await (await createLab()).faults.list()',
      'export const seen: number | undefined = fault?.seen',
      '// @ts-expect-error It is a number.',
      'export const text: string | undefined = fault?.seen',
      'export const driver = createNoneDriver()',
      'export const start = createPveServer',
    ].join('\n'),
  )
  const compilerOptions = {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2024',
    types: ['node'],
    typeRoots: [join(LAB, '../node_modules/@types')],
  }
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['use.mts'] }))
  await promisify(execFile)(join(LAB, '../node_modules/.bin/tsc'), ['--project', app])
  const exported = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', "console.log(typeof (await import('pve-lab')).createLab)"],
    { cwd: app },
  )
  expect(exported.stdout).toBe('function\n')
})
