import { expect, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { requireListed } from '../../../scripts/lib/site/base-listed.mts'
import { failureOf } from '../failure.mts'

const base = { node: 'pve', vmid: 9900, name: 'proxmint-base-debian-12' }
const entry = (vmid: number, name?: string, node = 'pve') => ({ type: 'qemu', vmid, node, name, status: 'x' })
const right = [entry(9900, base.name)]

/** A Proxmox whose answers come one after the other; the last one stays. Its base VM was made some seconds ago. */
function proxmox(answers: object[][], ageSeconds = 3600) {
  let asked = 0
  const now = new Date('2026-03-10T00:00:00.000Z')
  const meta = `creation-qemu=10.1.2,ctime=${now.getTime() / 1000 - ageSeconds}`
  const request = async (_method: string, path: string) => {
    if (path.endsWith('/config')) return Number.isFinite(ageSeconds) ? { meta } : {}
    return answers[Math.min(asked++, answers.length - 1)]
  }
  return { client: { request, time: async () => now } as unknown as ProxmoxClient, count: () => asked }
}

const waits = (more: object = {}) => {
  const paused: number[] = []
  const wait = async (ms: number) => void paused.push(ms)
  return { paused, options: { signal: new AbortController().signal, wait, ...more } }
}

test.each([20, Number.POSITIVE_INFINITY])(
  'nothing is waited for where all answers have the base VM, made %s seconds ago',
  async age => {
    const { client, count } = proxmox([right], age)
    const { paused, options } = waits()
    await requireListed(client, base, options)
    expect([paused, count()]).toEqual([[], 6])
  },
)

test('answers agree for more than 4 s where it was made just now: six may all miss one worker', async () => {
  const { client } = proxmox([right], 3)
  const { paused, options } = waits()
  await requireListed(client, base, options)
  // Between the first and the last answer.
  expect(paused.slice(1).reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(4000)
})

test('the time begins anew where a worker that was not asked before is behind', async () => {
  // 7 rounds agree, then one answer does not.
  const answers = Array.from({ length: 200 }, (_, index) => (index === 45 ? [entry(9900)] : right))
  const { client } = proxmox(answers, 3)
  const { paused, options } = waits()
  await requireListed(client, base, options)
  expect(paused.length).toBe(7 + 10)
})

const BEHIND: [string, object[]][] = [
  ['has no name of it yet', [entry(9900)]],
  ['does not have it', []],
  ['has another name of it', [entry(9900, 'proxmint-base-ubuntu')]],
  ['has its name for a VMID that is used again, too', [entry(9900, base.name), entry(9901, base.name)]],
]

test.each(BEHIND)('one answer that %s: all must agree for more than 4 s then', async (_, behind) => {
  // The third answer of six, and one of the next round but one.
  const answers = Array.from({ length: 200 }, (_, index) => ([2, 13].includes(index) ? behind : right))
  const { client, count } = proxmox(answers)
  const { paused, options } = waits()
  await requireListed(client, base, options)
  expect([paused.length, count()]).toEqual([2 + 10, 6 * 13])
})

test('a base VM of the name on another node does not matter', async () => {
  const { client } = proxmox([[...right, entry(9800, base.name, 'pve2')]])
  const { paused, options } = waits()
  await requireListed(client, base, options)
  expect(paused).toEqual([])
})

test('after the limit it fails, and names what fills the list', async () => {
  const { client } = proxmox([[entry(9900)]])
  const { options } = waits({ limitMs: -1 })
  const error = await failureOf(() => requireListed(client, base, options))
  expect(error.message).toContain('VM 9900 on pve is proxmint-base-debian-12, but')
  expect(error.hint).toContain('systemctl status pvestatd')
})

test('an interruption ends it', async () => {
  const { client } = proxmox([[entry(9900)]])
  const { options } = waits({ signal: AbortSignal.abort() })
  expect((await failureOf(() => requireListed(client, base, options))).exitCode).toBe(130)
})
