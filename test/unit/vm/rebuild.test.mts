import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type AccessDesign,
  type Entry,
  movedTo,
  type VmDesign,
} from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { removeReplaced } from '../../../scripts/lib/vm/life/destroy.mts'
import { versionFor } from '../../../scripts/lib/vm/life/rebuild.mts'
import { takeStep } from '../../../scripts/lib/vm/life/steps.mts'
import { changeEntry } from '../../change-entry.mts'
import { failureOf } from '../failure.mts'
import { entry, now } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'
import { fakeProxmox } from './fake-proxmox.mts'

const [old, current] = [version(1), version(9)]
const debian = { current, previous: old, candidate: null, retired: [] }
const revoked = { reason: 'CVE-2026-1234', at: '2026-11-20T00:00:00.000Z' }
// What it is made of is not looked at here.
const design = { template: { vmid: 9001, node: 'pve' } } as VmDesign
const web = (changes: Partial<Entry> = {}) =>
  entry('web-1', { node: 'pve', design, template: { family: 'debian', version: old.name }, ...changes })

test('a VM moves to the current version of its family', () => {
  expect(versionFor(web(), { debian })).toBe(current)
  expect(versionFor(web({ phase: 'reserved' }), { debian })).toBe(current)
  expect(
    versionFor(web({ template: { family: 'debian', version: current.name } }), { debian }),
  ).toBeUndefined()
})

test.each<[string, Entry, typeof debian, string, number]>([
  ['suspended', web({ phase: 'suspended' }), debian, 'web-1 is suspended, and its disk is kept', 2],
  ['imported', web({ design: null }), debian, 'does not know what web-1 was made of', 3],
  ['of no family', web({ template: null }), debian, 'of which template family web-1 is', 2],
  [
    'of a family whose current version is revoked',
    web(),
    { ...debian, current: { ...current, revoked } },
    `${current.name}, the current version of debian, is revoked`,
    3,
  ],
])('one that is %s is not rebuilt', async (_, vm, versions, message, exitCode) => {
  const failure = await failureOf(() => versionFor(vm, { debian: versions }))
  expect(failure).toMatchObject({ message: expect.stringContaining(message), exitCode })
})

test('its numbers, expiry and credential stay, and its history says where it comes from', () => {
  const token = { status: 'minted', id: '0', transaction: '0x1' } as const
  const before = web({ token })
  const { phase, replaces, template, history, ...rest } = movedTo(before, current.name, design, now)
  expect({ phase, replaces }).toEqual({ phase: 'reserved', replaces: old.name })
  expect(template).toEqual({ family: 'debian', version: current.name })
  expect(history.at(-1)?.what).toBe(`rebuild, from ${old.name} to ${current.name}`)
  expect(before).toMatchObject({ ...rest, token })
})

/** No token is minted, or told that its VM is gone. */
const noIssuer = () => Promise.reject(new Error('the chain is not asked'))

let store: RegistryStore
beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  await store.add([web({ phase: 'reserved', design: null, replaces: old.name })], [])
})
afterEach(() => store.close())

/** Without a design no Terraform is asked. */
async function removal(name: string) {
  const proxmox = fakeProxmox({
    150: { node: 'pve', status: 'running', config: { name, description: descriptionOf(web()) } },
  })
  const { connection } = proxmox
  const { signal } = new AbortController()
  const context: VmContext = { store, connection, checks: connection, issuer: noIssuer, signal }
  const remove = async () => removeReplaced((await store.find('web-1'))!, context)
  return { proxmox, remove, context }
}

test('the VM it had is gone before the new one is made', async () => {
  const { proxmox, remove } = await removal('web-1')
  const after = await remove()
  expect(proxmox.vms.size).toBe(0)
  expect(after).not.toHaveProperty('replaces')
  expect(await store.find('web-1')).toEqual(after)
})

test('a VM that somebody renamed meanwhile is left alone, and so is what was decided', async () => {
  const { proxmox, remove } = await removal('db')
  expect((await failureOf(remove)).message).toContain('VM 150 is not web-1: its name is db')
  expect(proxmox.changes).toEqual([])
  expect(await store.find('web-1')).toMatchObject({ replaces: old.name, failure: { step: 'rebuild' } })
})

test('a VM that does not go is tried again by the next run', async () => {
  const { proxmox, remove } = await removal('web-1')
  proxmox.before = async change => {
    if (change.startsWith('DELETE')) throw new Error('storage is busy')
  }
  await expect(remove()).rejects.toThrow('storage is busy')
  expect(await store.find('web-1')).toMatchObject({ replaces: old.name })
  proxmox.before = async () => {}
  expect(await remove()).not.toHaveProperty('replaces')
})

test('a VM that has its token is not given another one before it boots again', async () => {
  const { proxmox, context } = await removal('web-1')
  proxmox.vms.clear()
  const token = { status: 'minted', id: '0', transaction: '0x1' } as const
  const access = { mintLater: false } as AccessDesign
  const made = await changeEntry(store, 'web-1', one => ({
    ...one,
    ...{ phase: 'created', token, design: { ...design, access } },
  }))
  expect((await failureOf(() => takeStep(made, context))).message).toContain('is not in Proxmox any more')
  expect(await store.find('web-1')).toMatchObject({ token, failure: { step: 'boot' } })
})
