import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf } from '../../lab/test/guests/api.mts'

const ZX = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'zx')
const LAB_SCRIPT = join(import.meta.dirname, '..', '..', 'scripts', 'lab.mts')

describe('scripts/lab.mts', () => {
  let state: string

  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'proxmint-state-'))
  })

  afterAll(() => rm(state, { recursive: true, force: true }))

  const run = async (...args: string[]) => {
    const child = spawn(ZX, [LAB_SCRIPT, ...args, '--state', state], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        output += chunk
      })
    }
    const [code] = await once(child, 'close')
    return { code, output }
  }

  const up = async () => {
    const args = [LAB_SCRIPT, 'up', '--json', '--guests', 'none', '--state', state]
    const child = spawn(ZX, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const [line] = await once(createInterface({ input: child.stdout }), 'line')
    return { child, ended: once(child, 'exit'), ready: JSON.parse(line) }
  }

  const execInside = async (...command: string[]) => {
    const child = spawn(ZX, [LAB_SCRIPT, 'exec', '--state', state, '--', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    const [code] = await once(child, 'close')
    return { code, stdout }
  }

  test('up tells how to log in, exec runs inside with that, down ends it', async () => {
    const { ended, ready } = await up()
    expect(Object.keys(ready)).toEqual([
      'url',
      'tokenEnv',
      'caFile',
      'rpcUrl',
      'pid',
      'imagesUrl',
      'firstSshPort',
      'nodeSsh',
      'controlSocket',
    ])
    expect((await apiOf(ready)('GET', '/version')).status).toBe(200)
    const inside = await execInside(
      'sh',
      '-c',
      'ip -br addr show vmbr0; echo $PROXMOX_USERNAME $PROXMOX_VE_SSH_USERNAME; exit 7',
    )
    expect(inside.code).toBe(7)
    expect(inside.stdout).toMatch(/192\.168\.122\.1\/24[\s\S]*proxmint@pve!lab root\n$/)
    expect((await run('up')).output).toContain(`a lab runs on ${state} already`)
    expect((await run('down')).code).toBe(0)
    expect(await ended).toEqual([0, null])
    expect(await run('status')).toMatchObject({ code: 1, output: expect.stringContaining('no lab runs on') })
  }, 60_000)

  test('nothing of it survives a kill -9, and the next one takes its state up', async () => {
    const first = await up()
    const record = JSON.parse(await readFile(join(state, 'lab.json'), 'utf8'))
    process.kill(record.pid, 'SIGKILL')
    await first.ended
    const alive = () => {
      try {
        return process.kill(record.namespacePid, 0)
      } catch {
        return false
      }
    }
    await expect.poll(alive, { timeout: 10_000 }).toBe(false)
    const second = await up()
    expect(second.ready.tokenEnv.PROXMOX_TOKEN).toBe(first.ready.tokenEnv.PROXMOX_TOKEN)
    second.child.kill('SIGTERM')
    expect(await second.ended).toEqual([0, null])
  }, 60_000)

  test.each([
    ['--guests', 'kvm', 'option `--guests` takes sim, qemu, none, not `kvm`'],
    ['--pve-version', '7', 'option `--pve-version` takes 8, 9, not `7`'],
    ['--listen', '8006', '--listen `8006` is not accepted\nhint: it takes HOST:PORT'],
    ['--time-scale', 'fast', '--time-scale `fast` is not accepted\nhint: it takes a number from 0'],
    ['--stale-seconds', '-1', '--stale-seconds `-1` is not accepted\nhint: it takes a number from 0'],
    ['--isolation', 'docker', 'option `--isolation` takes auto, namespace, loopback, not `docker`'],
  ])('up %s %s is refused with what is accepted', async (option, value, message) => {
    const { code, output } = await run('up', option, value)
    expect(code).toBe(2)
    expect(output).toContain(`error: ${message}`)
  })
})
