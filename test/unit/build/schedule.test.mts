import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PackerError } from '../../../scripts/lib/build/packer-run.mts'
import { isTransient, withRetries } from '../../../scripts/lib/build/retry.mts'
import { isTransientFailure } from '../../../scripts/lib/packer/failures.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import { exitCodes, interrupted, ProxmintError } from '../../../scripts/lib/run/errors.mts'
import { createSlots, longestFirst } from '../../../scripts/lib/run/slots.mts'

interface Job {
  name: string
  keys: string[]
  seconds: number
}

/** Runs the jobs by a clock of its own and tells when each began and ended, in seconds. */
async function timetable(jobs: Job[], limits: Record<string, number>): Promise<Record<string, string>> {
  const slots = createSlots(key => limits[key] ?? Number.POSITIVE_INFINITY)
  const start = Date.now()
  const now = (): number => (Date.now() - start) / 1000
  const table: Record<string, string> = {}
  const runs = jobs.map(({ name, keys, seconds }) =>
    slots.use(keys, async () => {
      const began = now()
      await new Promise(resolve => setTimeout(resolve, seconds * 1000))
      table[name] = `${began}-${now()}`
    }),
  )
  const all = Promise.all(runs)
  await vi.runAllTimersAsync()
  await all
  return table
}

const job = (name: string, seconds: number, ...keys: string[]): Job => ({ name, keys, seconds })

describe('slots, by a clock of the test', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('as many at once as a key allows, in the order they came', async () => {
    const jobs = ['a', 'b', 'c', 'd'].map(name => job(name, 10, 'run'))
    expect(await timetable(jobs, { run: 2 })).toEqual({ a: '0-10', b: '0-10', c: '10-20', d: '10-20' })
  })

  test('each key counts: a full storage holds up only who needs it', async () => {
    const jobs = [
      job('a', 10, 'node x', 'storage tank'),
      job('b', 10, 'node x', 'storage tank'),
      job('c', 5, 'node y', 'storage ssd'),
      job('d', 5, 'node x', 'storage ssd'),
    ]
    const limits = { 'storage tank': 1, 'storage ssd': 2, 'node x': 2 }
    expect(await timetable(jobs, limits)).toEqual({ a: '0-10', b: '10-20', c: '0-5', d: '0-5' })
  })

  test('who waits holds nothing meanwhile', async () => {
    const jobs = [job('a', 10, 'storage tank'), job('b', 1, 'node x', 'storage tank'), job('c', 3, 'node x')]
    expect(await timetable(jobs, { 'storage tank': 1, 'node x': 1 })).toEqual({
      a: '0-10',
      b: '10-11',
      c: '0-3',
    })
  })

  test('a key named twice is held once', async () => {
    expect(await timetable([job('a', 1, 'run', 'run')], { run: 1 })).toEqual({ a: '0-1' })
  })

  test('a failure gives its slot back', async () => {
    const slots = createSlots(() => 1)
    await expect(slots.use(['run'], () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await slots.use(['run'], async () => 'next')).toBe('next')
  })
})

test('the longest first; what was never built before all, in the order it was named', () => {
  const seconds: Record<string, number> = { debian: 60, ubuntu: 90, talos: 10 }
  expect(longestFirst(['debian', 'nixos', 'talos', 'ubuntu', 'arch'], name => seconds[name])).toEqual([
    'nixos',
    'arch',
    'ubuntu',
    'debian',
    'talos',
  ])
})

const apiFailure = (status: number, reason: string) =>
  apiError({ method: 'POST', path: '/x', identity: 'a@pve', status, reason, body: '' })

const lockTimeout = "can't lock file '/var/lock/qemu-server/lock-9900.conf' - got timeout"

describe('what passes by itself', () => {
  test.each<[boolean, string, unknown]>([
    [true, 'a lock time-out in an answer', apiFailure(500, lockTimeout)],
    [true, 'a lock time-out of a task', new ProxmintError(`task qmclone of 9900 failed: ${lockTimeout}`)],
    [true, "a storage's lock", apiFailure(500, "cfs-lock 'storage-tank' error: got lock request timeout")],
    [true, '503', apiFailure(503, 'Service Unavailable')],
    [true, '596 of the proxy', apiFailure(596, 'Broken pipe')],
    [true, 'a Packer that says so', new PackerError('failed', {}, true)],
    [false, 'a Packer that failed otherwise', new PackerError('failed', {}, false)],
    [false, 'any other 500', apiFailure(500, "storage 'x' does not exist")],
    [false, '501', apiFailure(501, "Method 'GET /x' not implemented")],
    [false, '403', apiFailure(403, 'Permission check failed (/vms/9000, VM.Clone)')],
    [false, '401', apiFailure(401, 'authentication failure')],
    [false, 'a rule violation', new ProxmintError('got timeout of a rule', { exitCode: exitCodes.invalid })],
    [false, 'an interruption', interrupted('build debian')],
    [false, 'a defect of ours', new TypeError('x is not a function')],
  ])('%s: %s', (expected, _, error) => {
    expect(isTransient(error)).toBe(expected)
  })
})

describe("what passes by itself in Packer's log", () => {
  test.each<[boolean, string, string[]]>([
    [true, 'a lock time-out', ['==> proxmox-clone.debian: cloning', `Error cloning VM: ${lockTimeout}`]],
    [true, 'the status of the proxy', ['==> Error: 596 Broken pipe']],
    [false, 'nothing of the kind', ['==> Error: script exited with 1']],
    [false, 'a time-out of the guest', ['==> Timeout waiting for SSH.']],
    [
      false,
      'a lock time-out beside something that was denied',
      [`error: ${lockTimeout}`, 'error: 403 Permission check failed (/vms/9000, VM.Clone)'],
    ],
    [false, 'a number that only looks like a status', ['error: wrote 503 MiB']],
  ])('%s: %s', (expected, _, log) => {
    expect(isTransientFailure(log)).toBe(expected)
  })
})

describe('retries', () => {
  beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true))
  afterEach(() => void vi.restoreAllMocks())

  async function attempt(failures: unknown[], signal = new AbortController().signal) {
    const waits: number[] = []
    let calls = 0
    const work = async (): Promise<string> => {
      const failure = failures[calls++]
      if (failure !== undefined) throw failure
      return 'done'
    }
    const wait = async (ms: number): Promise<void> => void waits.push(ms)
    const result = await withRetries('build debian', work, { signal, wait }).catch(
      (error: Error) => error.message,
    )
    return { result, waits, calls }
  }

  const busy = apiFailure(503, 'Service Unavailable')

  test('wait longer each time, then give the last failure', async () => {
    expect(await attempt([busy, busy])).toEqual({ result: 'done', waits: [2000, 4000], calls: 3 })
    expect(await attempt([busy, busy, busy, busy, busy, busy])).toEqual({
      result: 'POST /x: 503 Service Unavailable',
      waits: [2000, 4000, 8000, 16_000],
      calls: 5,
    })
  })

  test('end at what does not pass by itself', async () => {
    const denied = apiFailure(403, 'Permission check failed (/vms/9000, VM.Clone)')
    expect(await attempt([busy, denied])).toMatchObject({ waits: [2000], calls: 2 })
  })

  test('end at an interruption, also in a pause', async () => {
    expect(await attempt([busy], AbortSignal.abort())).toMatchObject({ waits: [], calls: 1 })
    const controller = new AbortController()
    const work = vi.fn(() => Promise.reject(busy))
    const run = withRetries('build debian', work, { signal: controller.signal })
    await sleep(20)
    controller.abort()
    await expect(run).rejects.toThrow('503')
    expect(work).toHaveBeenCalledTimes(1)
  })

  test('are told, with the reason and the pause', async () => {
    await attempt([new ProxmintError(`packer build failed:\n  ${lockTimeout}`)])
    expect(process.stderr.write).toHaveBeenCalledWith(
      `build debian: ${lockTimeout}; again in 2 s (attempt 2 of 5)\n`,
    )
  })
})
