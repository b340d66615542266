import { expect, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { requireListed } from '../../../scripts/lib/site/base-listed.mts'
import { failureOf } from '../failure.mts'

const base = { node: 'pve', vmid: 9900, name: 'proxmint-base-debian-12' }
const entry = (vmid: number, name?: string, node = 'pve') => ({ type: 'qemu', vmid, node, name, status: 'x' })
const right = [entry(9900, base.name)]

/** A Proxmox whose answers come one after the other; the last one stays. */
function proxmox(...answers: object[][]) {
  let asked = 0
  const request = async () => answers[Math.min(asked++, answers.length - 1)]
  return { client: { request } as unknown as ProxmoxClient, count: () => asked }
}

const waits = (more: object = {}) => {
  const paused: number[] = []
  const wait = async (ms: number) => void paused.push(ms)
  return { paused, options: { signal: new AbortController().signal, wait, ...more } }
}

test('nothing is waited for where all answers have the base VM', async () => {
  const { client, count } = proxmox(right)
  const { paused, options } = waits()
  await requireListed(client, base, options)
  expect([paused, count()]).toEqual([[], 6])
})

const BEHIND: [string, object[]][] = [
  ['has no name of it yet', [entry(9900)]],
  ['does not have it', []],
  ['has another name of it', [entry(9900, 'proxmint-base-ubuntu')]],
  ['has its name for a VMID that is used again, too', [entry(9900, base.name), entry(9901, base.name)]],
]

test.each(BEHIND)('one answer that %s: three rounds must agree then', async (_, behind) => {
  // The third answer of six, and one of the next round but one.
  const answers = Array.from({ length: 30 }, (_, index) => ([2, 13].includes(index) ? behind : right))
  const { client, count } = proxmox(...answers)
  const { paused, options } = waits()
  await requireListed(client, base, options)
  expect([paused.length, count()]).toEqual([5, 36])
})

test('a base VM of the name on another node does not matter', async () => {
  const { client } = proxmox([...right, entry(9800, base.name, 'pve2')])
  const { paused, options } = waits()
  await requireListed(client, base, options)
  expect(paused).toEqual([])
})

test('after the limit it fails, and names what fills the list', async () => {
  const { client } = proxmox([entry(9900)])
  const { options } = waits({ limitMs: -1 })
  const error = await failureOf(() => requireListed(client, base, options))
  expect(error.message).toContain('VM 9900 on pve is proxmint-base-debian-12, but')
  expect(error.hint).toContain('systemctl status pvestatd')
})

test('an interruption ends it', async () => {
  const { client } = proxmox([entry(9900)])
  const { options } = waits({ signal: AbortSignal.abort() })
  expect((await failureOf(() => requireListed(client, base, options))).exitCode).toBe(130)
})
