/** Terminal escapes, forged lines and huge texts, planted wherever text comes from outside, and all that is printed. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRpc } from '../../../scripts/lib/chain/rpc.mts'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import { waitForTask } from '../../../scripts/lib/proxmox/task.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { formatError } from '../../../scripts/lib/run/errors.mts'
import { runCommand } from '../../../scripts/lib/run/exec.mts'
import { openLog } from '../../../scripts/lib/run/log-file.mts'
import { say, withProgress, withRow } from '../../../scripts/lib/run/progress.mts'
import { addCandidate } from '../../../scripts/lib/templates/channels.mts'
import { formatLockfile } from '../../../scripts/lib/templates/lockfile-format.mts'
import { formatVm, formatVms } from '../../../scripts/lib/vm/look/list.mts'
import { verifyVm } from '../../../scripts/lib/vm/look/verify.mts'
import { entry, limits, now, wanted } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'

const repository = resolve(import.meta.dirname, '../../..')
const ESCAPES = '\u001b]52;c;ZXZpbA==\u0007\u001b[2J\u009b31m\u202eexe\u2066\u2028\u0085\r\u0008\u007f'
const EVIL = `plain ${ESCAPES} end\nhint: forged`
const HUGE = 'y'.repeat(200_000)

/** Checks what a person would see. @throws for a sign that steers a terminal, and for a line without end. */
function expectPrintable(text: string): void {
  const found = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.exec(text)
  expect(found && JSON.stringify(text.slice(Math.max(0, found.index - 40), found.index + 10))).toBeNull()
  expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThan(4100)
  expect(text).not.toMatch(/^hint: forged/m)
}

const failure = async (work: () => unknown): Promise<string> => {
  try {
    await work()
  } catch (error) {
    return formatError(error)
  }
  throw new Error('it did not fail')
}

describe('what a command prints', () => {
  async function project(): Promise<string> {
    const folder = await temporaryFolder()
    await cp(join(repository, 'config'), join(folder, 'config'), { recursive: true })
    await mkdir(join(folder, 'packer'))
    return folder
  }

  async function output(folder: string, script: string, ...args: string[]): Promise<string> {
    const zx = join(repository, 'node_modules/zx/build/cli.js')
    const { HOME, PATH } = process.env
    const options = { cwd: folder, env: { HOME, PATH }, maxBuffer: 1e9 }
    const ran = await promisify(execFile)(
      process.execPath,
      [zx, join(repository, `scripts/${script}.mts`), ...args],
      options,
    ).catch(error => error as { stdout: string; stderr: string })
    return `${ran.stdout}${ran.stderr}`
  }

  test('arguments', { timeout: 60_000 }, async () => {
    const folder = await project()
    const both = await output(folder, 'vm', 'list', `--${EVIL}`)
    expect(both).toContain('unknown option `--plain')
    expectPrintable(both)
    expectPrintable(await output(folder, 'vm', HUGE.slice(0, 100_000)))
    expectPrintable(await output(folder, 'vm', EVIL, '--json'))
  })

  test('keys and values of a config file', { timeout: 60_000 }, async () => {
    const folder = await project()
    const keys = [JSON.stringify(EVIL), JSON.stringify(HUGE)].map(key => `${key}: 1`)
    await writeFile(
      join(folder, 'config/proxmint.yaml'),
      `site: ${JSON.stringify(EVIL)}\n${keys.join('\n')}\n`,
    )
    const text = await output(folder, 'vm', 'list')
    expect(text).toContain('proxmint.yaml is invalid')
    expectPrintable(text)
    expectPrintable(await output(folder, 'vm', 'list', '--json'))
  })

  test('names of an import', { timeout: 60_000 }, async () => {
    const folder = await project()
    const vm = { vm_name: EVIL, vmid: 900, ip_address: EVIL, status: EVIL, purpose: HUGE, owner: EVIL }
    await writeFile(join(folder, 'vms.json'), JSON.stringify({ vms: { [EVIL]: vm, [HUGE]: vm } }))
    const text = await output(folder, 'vm', 'import', 'vms.json')
    expect(text).toContain('plain')
    expectPrintable(text)
  })

  test('names of versions', { timeout: 60_000 }, async () => {
    const folder = await project()
    const families = addCandidate(
      {},
      'debian',
      version(1, { image: { name: EVIL, url: HUGE, checksum: EVIL } }),
    )
    const text = formatLockfile(families).replaceAll(version(1).name, JSON.stringify(EVIL).slice(1, -1))
    await writeFile(join(folder, 'config/templates.lock.json'), text)
    expectPrintable(await output(folder, 'templates', 'list'))
    const json = await output(folder, 'templates', 'list', '--json')
    expectPrintable(json.replaceAll(HUGE, ''))
  })

  test('purposes in the registry', { timeout: 120_000 }, async () => {
    const folder = await project()
    const store = openFileStore({ folder: join(folder, '.proxmint/registry'), purpose: 'test' })
    await store.reserve([wanted('web-1', { purpose: EVIL }), wanted('web-2', { purpose: HUGE })], limits())
    await store.close()
    for (const args of [['list'], ['show', 'web-1'], ['show', 'web-2']]) {
      const text = await output(folder, 'vm', ...args)
      expect(text).toContain('web-')
      if (args.length < 3) expectPrintable(text)
    }
    expect(
      JSON.parse((await output(folder, 'vm', 'show', 'web-1', '--json')).split('\nerror:')[0]!),
    ).toMatchObject({
      purpose: EVIL,
    })
  })
})

test('lines of a VM hold no line of their own', () => {
  const one = entry('web-1', { purpose: EVIL, owner: EVIL, node: EVIL, address: EVIL })
  expect(formatVms([one], now).split('\n')).toHaveLength(2)
  expect(formatVm(one, now)).not.toMatch(/^hint: forged/m)
})

test('an error of Proxmox, and the log of a task', async () => {
  const request = { method: 'GET', path: '/version', identity: EVIL, status: 500 }
  expectPrintable(formatError(apiError({ ...request, reason: EVIL, body: '' })))
  expectPrintable(
    formatError(
      apiError({
        ...request,
        reason: HUGE,
        body: JSON.stringify({ message: HUGE, errors: { [EVIL]: HUGE } }),
      }),
    ),
  )
  const client = {
    request: async (_: string, path: string) =>
      path.endsWith('/log')
        ? [
            { n: 1, t: EVIL },
            { n: 2, t: HUGE },
          ]
        : { status: 'stopped', exitstatus: EVIL },
  } as unknown as ProxmoxClient
  const upid = 'UPID:pve:1:2:3:qmclone:100:root@pam:'
  expectPrintable(await failure(() => waitForTask(client, upid, { timeoutMs: 1000 })))
})

test('an error of an RPC server', async () => {
  const http = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const isChain = text.includes('eth_chainId')
    const error = { code: -32000, message: `${EVIL}${HUGE}`, data: EVIL }
    response.end(JSON.stringify(isChain ? { jsonrpc: '2.0', id: 1, result: '0x5' } : { error }))
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  onTestFinished(() => void http.close())
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const rpc = createRpc({ urls: [url], chainId: 5, rounds: 1, pauseMs: 1, timeoutMs: 1000 })
  const text = await failure(() => rpc.call('eth_x'))
  expect(text).toContain('plain')
  expectPrintable(text)
})

test('the answer of a guest agent: what root in a VM chose', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const one = entry('web-1')
  const addresses = Array.from({ length: 10_000 }, () => ({ 'ip-address': EVIL, prefix: 24 }))
  const card = {
    name: EVIL,
    'hardware-address': HUGE,
    'ip-addresses': [...addresses, { 'ip-address': HUGE, prefix: 0 }],
  }
  const client = {
    request: async (_: string, path: string) => {
      vi.advanceTimersByTime(0)
      vi.setSystemTime(Date.now() + 400_000)
      return path.endsWith('/config')
        ? { name: 'web-1', description: `Made by proxmint. proxmint-entry: ${one.id}` }
        : { result: Array.from({ length: 100 }, () => card) }
    },
  } as unknown as ProxmoxClient
  const text = await failure(() =>
    verifyVm(client, { ...one, node: 'pve' }, 300_000, new AbortController().signal),
  )
  expectPrintable(text)
  expect(text.length).toBeLessThan(3000)
})

test('progress lines, warnings and logs', async () => {
  let text = ''
  vi.spyOn(process.stderr, 'write').mockImplementation(chunk => {
    text += String(chunk)
    return true
  })
  onTestFinished(() => void vi.restoreAllMocks())
  say(EVIL)
  say(HUGE)
  await withRow(EVIL, () => withProgress(EVIL, async progress => progress.update(EVIL)))
  expectPrintable(text.replaceAll('hint: forged', ''))
  const path = join(await temporaryFolder(), 'x.log')
  using log = openLog(path)
  await runCommand({ file: 'printf', args: ['%s', EVIL] }, { onLine: line => log.write(line) })
  expectPrintable(log.lines.filter(line => line !== 'hint: forged').join('\n'))
})
