/** Faults from a file, over the control socket, and from the command line: what is refused, and how it is said. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LabUsageError } from '../../core/lab-error.mts'
import { createLab, type Lab } from '../../create.mts'
import { pathPattern } from '../../pve/faults/faults.mts'
import { parseFaults, readFaults } from '../../pve/faults/read-faults.mts'
import { parseUpOptions } from '../../up-options.mts'

const repository = resolve(import.meta.dirname, '../../..')
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxmint-faults-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Message and hint of what a text is refused with. */
function refusal(yaml: string): string {
  try {
    parseFaults(yaml)
  } catch (error) {
    expect(error).toBeInstanceOf(LabUsageError)
    const { message, hint } = error as LabUsageError
    return `${message}; ${hint}`
  }
  throw new Error(`accepted: ${yaml}`)
}

describe('what is accepted', () => {
  test('every example of the documentation, and every fault is in its table', async () => {
    const docs = await readFile(join(repository, 'docs/lab-faults.md'), 'utf8')
    const [, example = ''] = /^```yaml\n(.*?)^```$/ms.exec(docs) ?? []
    expect(parseFaults(example).map(({ fault }) => fault)).toEqual(['lock-timeout', 'failing-task', 'error'])
    const documented = [...docs.matchAll(/^\| `([a-z0-9-]+)` \| /gm)].map(([, name]) => name!)
    const [, known = ''] = /it takes one of (.*)$/.exec(refusal('- fault: x')) ?? []
    expect(documented).toEqual(expect.arrayContaining(known.split(', ')))
  })

  test('an empty list, and JSON', () => {
    expect(parseFaults('[]')).toEqual([])
    expect(parseFaults('[{"fault":"disk-full","match":{"storage":"tank"}}]')).toHaveLength(1)
  })
})

describe('what is not accepted is named with its place', () => {
  test.each([
    ['', 'the faults are not accepted: they are empty; give a list, each beginning with `- fault: KIND`'],
    ['fault: error', 'they are object; give a list'],
    ['- error', '[0] is "error"; it takes `fault: KIND` and its settings'],
    ['- fault: eror', '[0].fault is "eror"; it takes one of lock-timeout, error,'],
    ['- fault: error\n- fault: slow-task', '[1] (slow-task) has no `seconds`; add `seconds: 5`, for example'],
    ['- fault: error\n  staus: 500', '[0] (error) has an unknown key `staus`; it takes times, after,'],
    ['- fault: error\n  status: 200', '[0].status is 200; it takes a whole number from 400 to 599'],
    ['- fault: error\n  when: never', '[0].when is "never"; it takes before or after'],
    ['- fault: error\n  message: "a\\nb"', '[0].message is "a\\nb"; it takes one line of text'],
    ['- fault: error\n  times: 0', '[0].times is 0; it takes a whole number from 1'],
    ['- fault: error\n  probability: 2', '[0].probability is 2; it takes a number from 0 to 1'],
    ['- fault: error\n  match: all', '[0].match is "all"; it takes method, path, vmid'],
    [
      '- fault: error\n  match: { task: qmclone }',
      '[0].match of error has an unknown key `task`; it takes method,',
    ],
    [
      '- fault: error\n  match: { vmid: 5 }',
      '[0].match.vmid is 5; it takes a whole number from 100 to 999999999',
    ],
    [
      '- fault: error\n  match: { path: /api2/json/version }',
      '[0].match.path is "/api2/json/version"; it takes a path below /api2/json that begins with /',
    ],
    [
      '- fault: clock-skew\n  seconds: 1\n  match: { vmid: 100 }',
      '[0].match limits clock-skew; clock-skew strikes everything; leave `match` out',
    ],
    ['- fault: clock-skew\n  seconds: soon', '[0].seconds is "soon"; it takes a number of seconds'],
    ['- fault: clock-skew\n  seconds: 1\n  times: 2', '[0] (clock-skew) has an unknown key `times`'],
    ['- fault: [', 'write a YAML list, each beginning with `- fault: KIND`'],
  ])('%j', (yaml, expected) => {
    expect(refusal(yaml)).toContain(expected)
  })

  test('the file is named too, and one that is missing', async () => {
    const file = join(folder, 'wrong.yaml')
    await writeFile(file, '- fault: nope\n')
    await expect(readFaults(file)).rejects.toThrow(
      `${file}: the faults are not accepted: [0].fault is "nope"`,
    )
    await expect(readFaults(join(folder, 'none.yaml'))).rejects.toThrow(/none\.yaml cannot be read: ENOENT/)
  })
})

test.each([
  ['/nodes/*/qemu/*/clone', '/nodes/pve/qemu/100/clone', true],
  ['/nodes/*/qemu/*/clone', '/nodes/pve/qemu/100/config', false],
  ['/nodes/*/qemu/*', '/nodes/pve/qemu/100/config', false],
  ['/nodes/**', '/nodes/pve/qemu/100/config', true],
  ['/nodes/**', '/nodes', true],
  ['/nodes/**/config', '/nodes/pve/qemu/100/config', true],
  ['/nodes/p*/status', '/nodes/pve/status', true],
  ['/version', '/versions', false],
  ['/a.c', '/abc', false],
])('%s and %s: %s', (pattern, path, isMatch) => {
  expect(pathPattern(pattern).test(path)).toBe(isMatch)
})

describe('where the lab listens', () => {
  const words = {
    guests: undefined,
    pveVersion: undefined,
    images: [],
    timeScale: undefined,
    isolation: undefined,
  }
  const parse = (listen: string, isPublic: boolean) =>
    parseUpOptions({ ...words, listen, public: isPublic } as never)

  test.each(['127.0.0.1:8006', '127.1.2.3:0', '[::1]:8006', 'localhost:8006'])('on %s', listen => {
    expect(parse(listen, false).listen).toBeDefined()
  })

  test.each(['0.0.0.0:8006', '[::]:8006', '192.168.1.5:8006', 'example.org:8006'])(
    'not on %s, unless it is to be public',
    async listen => {
      expect(() => parse(listen, false)).toThrow(
        `the lab does not listen on ${listen.replace(/[[\]]/g, '')}: other machines may reach it there`,
      )
      expect(parse(listen, true).public).toBe(true)
    },
  )

  test('nor does a lab that a program starts', async () => {
    const listen = { host: '0.0.0.0', port: 0 }
    await expect(createLab({ guests: 'none', listen })).rejects.toThrow(LabUsageError)
  })
})

describe('a lab', () => {
  let lab: Lab
  beforeAll(async () => {
    lab = await createLab({ guests: 'none', timeScale: 0, faults: [{ fault: 'error', times: 1, after: 1 }] })
  })
  afterAll(() => lab.close())

  const curl = (args: string[]) =>
    promisify(execFile)('curl', ['-s', '--unix-socket', lab.controlSocket, ...args, 'http://lab/faults'])

  test('begins with the faults it was given, takes others, and forgets them', async () => {
    expect(await lab.faults.list()).toEqual([
      { fault: { fault: 'error', times: 1, after: 1 }, seen: 0, struck: 0 },
    ])
    await lab.faults.set([{ fault: 'disk-full' }])
    expect((await lab.faults.list())[0]!.fault).toEqual({ fault: 'disk-full' })
    await lab.faults.clear()
    expect(await lab.faults.list()).toEqual([])
    await expect(lab.faults.set([{ fault: 'nope' } as never])).rejects.toThrow(/\[0\]\.fault is "nope"/)
  })

  test('takes them from another process, over a socket that its owner alone may use', async () => {
    const file = join(folder, 'one.yaml')
    await writeFile(file, '- fault: error\n  status: 503\n  match: { path: /version }\n')
    expect(JSON.parse((await curl(['-T', file])).stdout).faults).toHaveLength(1)
    const { stdout } = await lab.exec([
      ...['sh', '-c'],
      'curl -s -o /dev/null -w "%{http_code}" --cacert "$PROXMOX_CA_FILE" -H "Authorization: $PROXMOX_API_TOKEN" "$PROXMOX_URL/version"',
    ])
    expect(stdout).toBe('503')
    expect(JSON.parse((await curl([])).stdout).faults[0]).toMatchObject({ seen: 1, struck: 1 })
    expect(JSON.parse((await curl(['-X', 'DELETE'])).stdout)).toEqual({ faults: [] })
    expect((await stat(resolve(lab.controlSocket, '..'))).mode & 0o077).toBe(0)
  })

  test('says over the socket what is wrong', async () => {
    const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const options = { socketPath: lab.controlSocket, path: '/faults', method: 'PUT' }
      const sent = request(options, response =>
        text(response).then(body => resolve({ status: response.statusCode!, body }), reject),
      )
      sent.on('error', reject)
      sent.end('- fault: nope')
    })
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body).message).toContain('[0].fault is "nope"')
  })
})

describe('the command line', () => {
  const command = (args: string[]) => [join(repository, 'lab/pve-lab.mts'), ...args]
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, command([...args, '--state', join(folder, 'state')]))

  test('up --fault, fault list, set, clear; a second lab on the same state is refused', async () => {
    const file = join(folder, 'two.yaml')
    await writeFile(file, '- fault: error\n- fault: disk-full\n')
    const up = ['up', '--guests', 'none', '--json', '--fault', file, '--state', join(folder, 'state')]
    const lab = spawn(process.execPath, command(up), { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(lab, 'exit')
    try {
      const [line] = (await once(lab.stdout!, 'data')) as [Buffer]
      expect(JSON.parse(line.toString()).controlSocket).toMatch(/control\.sock$/)
      expect((await run('fault', 'list')).stdout).toBe(
        'error  fitted 0, struck 0\ndisk-full  fitted 0, struck 0\n',
      )
      await writeFile(file, '- fault: expired-ticket\n')
      expect(JSON.parse((await run('fault', 'set', file, '--json')).stdout).faults).toHaveLength(1)
      expect((await run('fault', 'clear')).stdout).toBe('No faults are set.\n')
      await writeFile(file, '- fault: nope\n')
      await expect(run('fault', 'set', file)).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringContaining('[0].fault is "nope"'),
      })
      await expect(run('up', '--guests', 'none')).rejects.toMatchObject({
        stderr: expect.stringContaining(`process ${lab.pid}`),
      })
    } finally {
      lab.kill('SIGTERM')
      await ended
    }
  })

  test('fault without a lab, and up on a public address', async () => {
    await expect(run('fault', 'list')).rejects.toMatchObject({
      stderr: expect.stringContaining('no lab runs on'),
    })
    await expect(run('up', '--listen', '0.0.0.0:8006')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('or add --public'),
    })
  })
})
