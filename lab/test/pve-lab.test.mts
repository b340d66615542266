/** The lab as a program. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LAB_OPTIONS } from '../options.mts'
import { apiOf } from './guests/api.mts'

const PVE_LAB = join(import.meta.dirname, '../pve-lab.mts')

let state: string
beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), 'pve-lab-'))
})
afterAll(() => rm(state, { recursive: true, force: true }))

interface Ended {
  code: number
  stdout: string
  stderr: string
}

async function run(...args: string[]): Promise<Ended> {
  const ran = promisify(execFile)(process.execPath, [PVE_LAB, ...args])
  return ran.then(
    output => ({ code: 0, ...output }),
    (error: Ended) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  )
}

test('up tells how to log in, status and exec find it, down ends it', async () => {
  const up = ['up', '--json', '--guests', 'none', '--state', state]
  const child = spawn(process.execPath, [PVE_LAB, ...up], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'exit')
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  expect((await apiOf(JSON.parse(line))('GET', '/version')).status).toBe(200)
  expect((await run('status', '--state', state)).stdout).toMatch(
    /^Proxmox VE API {2}https:[\s\S]*with `pve-lab exec -- COMMAND`\.\n$|SSH of a VM/,
  )
  const inside = await run('exec', '--state', state, '--', 'sh', '-c', 'echo $PROXMOX_USERNAME; exit 7')
  expect(inside).toMatchObject({ code: 7, stdout: 'proxmint@pve!lab\n' })
  expect((await run(...up)).stderr).toContain('hint: stop it with `pve-lab down`')
  expect(await run('down', '--state', state)).toMatchObject({ code: 0 })
  expect(await ended).toEqual([0, null])
})

test.each<[string[], string]>([
  [[], 'say one of up, down, status, exec, fault, record\nhint: pve-lab --help'],
  [['stauts'], 'not `stauts`; did you mean status?'],
  [['down', 'now'], 'unexpected argument `now`'],
  [['exec'], 'exec needs a command'],
  [['fault', 'set'], 'fault takes `set FILE`, `clear` or `list`'],
  [['up', '--gests', 'none'], "Unknown option '--gests'"],
  [['up', '--state'], "Option '--state <value>' argument missing"],
  [['up', '--guests', 'kvm'], '--guests `kvm` is not accepted\nhint: it takes sim, qemu or none'],
])('%j is a usage error', async (words, message) => {
  const { code, stderr } = await run(...words)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test('a failure is one JSON document with --json', async () => {
  const { code, stdout } = await run('status', '--state', join(state, 'none'), '--json')
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toEqual({
    error: `no lab runs on ${join(state, 'none')}`,
    hint: 'start one with `pve-lab up`',
    exitCode: 1,
  })
})

test('--help shows every option', async () => {
  const { stdout } = await run('--help')
  expect(Object.keys(LAB_OPTIONS).filter(name => !stdout.includes(`  --${name}`))).toEqual([])
})
