import { expect, test } from 'vitest'
import { displaced } from '../../../scripts/lib/registry/check.mts'
import { dueFor } from '../../../scripts/lib/registry/due.mts'
import { differencesFrom, withForeignMark } from '../../../scripts/lib/registry/identity.mts'
import type { SiteVm } from '../../../scripts/lib/vm/plan/adopt.mts'
import { planForeignAdoption } from '../../../scripts/lib/vm/plan/adopt-foreign.mts'
import { pool } from '../registry/entries.mts'

const id = '11111111-2222-3333-4444-555555555555'
const now = new Date('2026-01-05T10:00:00.000Z')
const pools = {
  ...{ defaultPool: 'default', expiryDays: 30, graceDays: 7, vmidRange: [100, 199] },
  pools: { default: pool() },
} as unknown as Parameters<typeof planForeignAdoption>[1]['pools']
const vm: SiteVm = {
  ...{
    vmid: 501,
    node: 'pve',
    status: 'running',
    addresses: ['127.0.0.1', 'fe80::1', '10.9.9.9', '192.168.122.210'],
  },
  config: {
    name: 'mail',
    description: 'Ask Jane.\n',
    net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0',
    onboot: 1,
  },
}
const plan = (changes: Partial<SiteVm> = {}, wishes: { address?: string; expiryDays?: number } = {}) =>
  planForeignAdoption(
    { ...vm, ...changes },
    { wishes: { address: undefined, expiryDays: undefined, ...wishes }, pools, id, now },
  )

test('a VM comes under the registry with what is known of it, and without an end', () => {
  const { entry, faults } = plan()
  expect(faults).toEqual([])
  expect(entry).toMatchObject({
    ...{
      name: 'mail',
      id,
      vmid: 501,
      node: 'pve',
      phase: 'active',
      foreign: true,
      design: null,
      token: null,
    },
    ...{ address: '192.168.122.210', pool: 'default', expiresAt: null },
  })
  expect(entry).not.toHaveProperty('stopped')
  const inTenYears = new Date('2036-01-01T00:00:00.000Z')
  expect(dueFor(entry!, true, inTenYears, 0)).toBeUndefined()
  // It has a VMID and an address of its own.
  expect(displaced(entry!, { pools: {}, vmidRange: [100, 199] })).toEqual([])
})

test('an end is one that was given; a VM that is off stays off', () => {
  expect(plan({}, { expiryDays: 10 }).entry?.expiresAt).toBe('2026-01-15T10:00:00.000Z')
  expect(plan({ status: 'stopped' }).entry).toMatchObject({
    phase: 'active',
    stopped: { startsWithNode: true },
  })
})

test.each([
  [{ addresses: ['127.0.0.1', '10.9.9.9'] }, {}, '10.9.9.9', 'none'],
  [{ addresses: [] }, { address: '192.168.122.211' }, '192.168.122.211', 'default'],
  [{ config: { ...vm.config, ipconfig0: 'ip=192.168.122.212/24' } }, {}, '192.168.122.212', 'default'],
])('the address of %j with %j is %s', (changes, wishes, address, name) => {
  expect(plan(changes, wishes).entry).toMatchObject({ address, pool: name })
})

test.each([
  [{ addresses: [] }, /adopt 501 --ip ADDRESS/],
  [{ config: { ...vm.config, name: 'Mail_1' } }, /rename it in Proxmox/],
  [{ config: { ...vm.config, template: 1 } }, /it is a VM template/],
  [
    { config: { ...vm.config, description: `Made by proxmint. Entry ${id}.` } },
    /a registry of proxmint has it/,
  ],
])('%j is left alone', (changes, fault) => {
  const { entry, faults } = plan(changes)
  expect(entry).toBeUndefined()
  expect(faults).toEqual([expect.stringMatching(fault)])
})

test('the mark stands at the end of its notes, and it needs no tag of the site', () => {
  const entry = plan().entry!
  const description = withForeignMark(entry, 'Ask Jane.\n')
  expect(description).toBe(`Ask Jane.\n\nIn the registry of proxmint. Entry ${id}.`)
  expect(differencesFrom(entry, { name: 'mail', description }, 'proxmint-test')).toEqual([])
  expect(differencesFrom(entry, { name: 'mail', description: 'Ask Jane.' }, 'proxmint-test')).toHaveLength(1)
})
