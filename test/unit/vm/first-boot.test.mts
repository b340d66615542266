/** A look into a VM after its boot: by the guest agent, by SSH, or not at all. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { OutcomeFiles } from '../../../scripts/lib/cloud-init/outcome.mts'
import { fingerprintOf } from '../../../scripts/lib/config/own-ssh-key.mts'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { lookBy } from '../../../scripts/lib/vm/look/first-boot.mts'
import { byAgent, bySsh, type Reading } from '../../../scripts/lib/vm/look/inside.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

afterEach(() => vi.unstubAllEnvs())

const key = `ssh-ed25519 ${Buffer.from('a key').toString('base64')} me@laptop`
const design = { access: null, cloudInit: { sshAuthorizedKeys: [key] } } as unknown as VmDesign
const web = entry('web-1', { node: 'pve', vmid: 100, address: '192.168.122.200', design })
const { signal } = new AbortController()
/** For a look that ends by itself, and for one that a bound ends. */
const patience = { end: 600_000, begin: 600_000, pause: 1 }
const bounded = { end: 10, begin: 5, pause: 1 }

const files = (errors: string[] | undefined, accounts = 'admin:x:1000:1000::/home/admin:/bin/bash\n') => ({
  files: {
    status: JSON.stringify({ v1: { stage: 'modules-final' } }),
    result: errors && JSON.stringify({ v1: { errors } }),
    accounts,
  } as OutcomeFiles,
})
const nothing: Reading = { files: { status: undefined, result: undefined, accounts: undefined } }

/** Looks by ways that answer one reading after the other, and the last one from then on. */
function look(...ways: Reading[][]) {
  return lookWithin(patience, ...ways)
}

function lookWithin(limits: typeof patience, ...ways: Reading[][]) {
  const details: string[] = []
  const readers = ways.map((readings, index) => {
    let next = 0
    return { name: `way ${index}`, read: async () => readings[Math.min(next++, readings.length - 1)]! }
  })
  const progress = { update: (detail: string) => void details.push(detail) }
  const vm = { entry: web, account: 'admin', ranBefore: false }
  return { details, done: lookBy(readers, vm, progress, signal, limits) }
}

describe('cloud-init', () => {
  test('is waited for, and the stage is told', async () => {
    const { details, done } = look([nothing, files(undefined), files([])])
    expect(await done).toEqual({ unseen: undefined, warnings: [] })
    expect(details).toEqual(['cloud-init: begins', 'cloud-init: modules-final'])
  })

  test('that failed fails the step with its own reason and what to do', async () => {
    const failure = await failureOf(() => look([files(["('package_update_upgrade_install', X)"])]).done)
    expect(failure).toMatchObject({
      message: "cloud-init of web-1 failed: ('package_update_upgrade_install', X)",
      facts: { 'looked at by': 'way 0' },
      exitCode: 1,
    })
    expect(failure.hint).toContain('ssh admin@192.168.122.200 cloud-init status --long')
  })

  test('that failed in a VM that is in use is a warning', async () => {
    const way = { name: 'x', read: async () => files(['it broke']) }
    const vm = { entry: web, account: 'admin', ranBefore: true }
    expect(await lookBy([way], vm, { update() {} }, signal, patience)).toEqual({
      unseen: undefined,
      warnings: ['it broke'],
    })
  })

  test('that made no account fails the step, although it reports no error', async () => {
    const failure = await failureOf(() => look([files([], 'root:x:0:0::/root:/bin/sh\n')]).done)
    expect(failure.message).toBe('cloud-init of web-1 failed: it made no account admin')
  })

  test('that does not end within the bound fails the step', async () => {
    const failure = await failureOf(() => lookWithin(bounded, [files(undefined)]).done)
    expect(failure.message).toMatch(/^cloud-init of web-1 still runs after /)
  })

  test('that is not there is no failure', async () => {
    expect(await lookWithin(bounded, [nothing]).done).toEqual({
      unseen: 'there is no cloud-init in it',
      warnings: [],
    })
  })
})

test('the account of another token fails the step', async () => {
  const withToken = { ...web, token: { status: 'minted', id: '7', transaction: '0x1' } as const }
  const passwd = (gecos: string) => files([], `admin:x:1000:1000:${gecos}:/home/admin:/bin/bash\n`)
  const of = (gecos: string) =>
    lookBy(
      [{ name: 'x', read: async () => passwd(gecos) }],
      { entry: withToken, account: 'admin', ranBefore: true },
      { update() {} },
      signal,
      patience,
    )
  expect(await of('nft=7,Ann')).toMatchObject({ unseen: undefined })
  for (const gecos of ['', 'nft=70', 'Ann,nft=7']) {
    expect((await failureOf(() => of(gecos))).message).toContain('does not name token 7')
  }
})

describe('one way after the other is tried', () => {
  test('and the reasons of all are told where none is open', async () => {
    const { done } = look([{ unseen: 'guest agent: no' }], [{ unseen: 'SSH: no' }])
    expect(await done).toEqual({ unseen: 'guest agent: no; SSH: no', warnings: [] })
  })

  test('what may open in a moment is tried again', async () => {
    const closed: Reading = { unseen: 'SSH: refused', later: true }
    expect(await look([closed, closed, files([])]).done).toMatchObject({ unseen: undefined })
    expect(await lookWithin(bounded, [closed]).done).toMatchObject({ unseen: 'SSH: refused' })
  })

  test('a key that the VM was to accept and refuses is a failure, but not at once', async () => {
    const refused: Reading = { refused: 'Permission denied (publickey).' }
    expect(await look([refused, files([])]).done).toMatchObject({ unseen: undefined })
    expect((await failureOf(() => lookWithin(bounded, [refused]).done)).message).toBe(
      'web-1 refuses the SSH key that admin was to accept',
    )
    const way = { name: 'x', read: async () => refused }
    const inUse = { entry: web, account: 'admin', ranBefore: true }
    expect(await lookBy([way], inUse, { update() {} }, signal, bounded)).toMatchObject({
      unseen: 'SSH: Permission denied (publickey).',
    })
  })
})

describe('by the guest agent', () => {
  const answering = (status: number, reason: string): ProxmoxClient =>
    ({
      identity: 'p@pve!t',
      request: (method: string, path: string) =>
        Promise.reject(apiError({ method, path, identity: 'p@pve!t', status, reason, body: '' })),
    }) as unknown as ProxmoxClient

  test.each([
    [
      403,
      'Permission check failed (/vms/100, VM.GuestAgent.FileRead|VM.GuestAgent.Unrestricted)',
      { unseen: 'guest agent: the API token lacks VM.GuestAgent.FileRead' },
    ],
    [500, 'QEMU guest agent is not running', { unseen: expect.anything(), later: true }],
    [
      500,
      'Agent error: The command guest-file-open has been disabled for this instance',
      {
        unseen: 'guest agent: Agent error: The command guest-file-open has been disabled for this instance',
      },
    ],
    [
      500,
      "Agent error: failed to open file '/x' (mode: 'r'): Permission denied",
      { unseen: "guest agent: Agent error: failed to open file '/x' (mode: 'r'): Permission denied" },
    ],
    [500, "Agent error: failed to open file '/x' (mode: 'r'): No such file or directory", nothing],
  ])('%s %s', async (status, reason, expected) => {
    expect(await byAgent(answering(status, reason), web)(signal)).toEqual(expected)
  })
})

/** An `ssh` that writes down its arguments, and ends as it is told. */
async function fakeSsh(stderr: string, code: number, stdout = ''): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'bin'))
  const program = join(folder, 'bin/ssh')
  await writeFile(join(folder, 'err'), stderr)
  await writeFile(join(folder, 'out'), stdout)
  const lines = [`printf '%s\\n' "$@" > '${folder}/args'`, `cat > '${folder}/in'`]
  await writeFile(
    program,
    ['#!/bin/sh', ...lines, `cat '${folder}/err' >&2`, `cat '${folder}/out'`, `exit ${code}`].join('\n'),
  )
  await chmod(program, 0o755)
  vi.stubEnv('PATH', `${join(folder, 'bin')}:${process.env['PATH']}`)
  return folder
}

describe('by SSH', () => {
  const offered = (publicKey: string) =>
    `debug1: Offering public key: /home/me/.ssh/id ED25519 ${fingerprintOf(publicKey)} agent\n`
  const denied = 'admin@192.168.122.200: Permission denied (publickey).\n'

  test.each<[string, string, number, Reading]>([
    ['a key of the VM', `${offered(key)}${denied}`, 255, { refused: denied.trim() }],
    ['another key', `${offered('ssh-rsa AAAA')}${denied}`, 255, { unseen: `SSH: ${denied.trim()}` }],
    [
      'another host key',
      'WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.\n',
      255,
      {
        unseen:
          'SSH: known_hosts has another host key of 192.168.122.200; ssh-keygen -R 192.168.122.200 forgets it',
      },
    ],
    [
      'no way there',
      'debug1: x\nssh: connect to host 192.168.122.200 port 22: No route to host\n',
      255,
      { unseen: 'SSH: ssh: connect to host 192.168.122.200 port 22: No route to host' },
    ],
    [
      'no server yet',
      'ssh: connect to host x port 22: Connection refused\n',
      255,
      { unseen: 'SSH: ssh: connect to host x port 22: Connection refused', later: true },
    ],
    [
      'a shell that is none',
      'This account is not available\n',
      1,
      { unseen: 'SSH: the login shell ended with 1' },
    ],
  ])('%s', async (_, stderr, code, expected) => {
    await fakeSsh(stderr, code)
    expect(await bySsh(web, 'admin', {})(signal)).toEqual(expected)
  })

  test('the files are read, and nothing is asked, forwarded or trusted for later', async () => {
    const folder = await fakeSsh('', 0, '@proxmint-file status\n{"a":1}\n\n@proxmint-file end\n')
    expect(await bySsh(web, 'admin', {})(signal)).toEqual({
      files: { status: '{"a":1}\n\n', result: undefined, accounts: undefined },
    })
    const { readFile } = await import('node:fs/promises')
    const args = (await readFile(join(folder, 'args'), 'utf8')).split('\n')
    for (const option of ['BatchMode=yes', 'ForwardAgent=no', 'UserKnownHostsFile=/dev/null']) {
      expect(args).toContain(option)
    }
    expect(await readFile(join(folder, 'in'), 'utf8')).toContain('/run/cloud-init/result.json')
  })
})
