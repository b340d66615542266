import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { reconcile } from '../../../scripts/lib/reconcile/reconcile.mts'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeVm, fakeProxmox } from '../vm/fake-proxmox.mts'

/** Suspended, and running all the same. */
const suspended = (name: string, vmid: number) =>
  entry(name, { node: 'pve', vmid, address: `192.168.122.${vmid + 100}`, phase: 'suspended', token: null })

const running = (name: string): FakeVm => ({
  node: 'pve',
  status: 'running',
  config: { name, description: descriptionOf(entry(name)), tags: 'proxmint-test' },
})

test('a fix that fails keeps neither the others nor the report waiting', async () => {
  const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([suspended('a', 100), suspended('b', 101)], [])
  const proxmox = fakeProxmox({ 100: running('a'), 101: running('b') })
  proxmox.before = async change => {
    if (change.includes('/100/')) throw new Error('no connection')
  }
  const context = { store, connection: proxmox.connection, signal: new AbortController().signal }
  const { findings } = await reconcile(context as unknown as VmContext, true)
  const fixes = findings.filter(({ fix }) => fix === 'power it off')
  expect(fixes).toMatchObject([
    { name: 'a', fixed: false, error: 'no connection' },
    { name: 'b', fixed: true },
  ])
  expect(proxmox.vms.get(101)!.status).toBe('stopped')
})

test('with states in a backend, the folder of a VM that another machine destroyed is removed, and no other', async () => {
  const root = await temporaryFolder()
  vi.stubEnv('PROXMINT_CONFIG', join(root, 'config/proxmint.yaml'))
  onTestFinished(() => void vi.unstubAllEnvs())
  vi.stubEnv('PROXMINT_TERRAFORM', join(root, 'terraform.yaml'))
  await writeFile(join(root, 'terraform.yaml'), 'backend:\n  pg:\n    schema_name: vm_{name}\n')
  const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  const gone = entry('gone', { id: '11111111-1111-4111-8111-111111111111', phase: 'destroyed', token: null })
  const lost = entry('lost', { id: '22222222-2222-4222-8222-222222222222' })
  await store.add([], [gone])
  for (const one of [gone, lost]) {
    await mkdir(join(root, 'vms', one.name), { recursive: true })
    const configuration = JSON.stringify({ description: descriptionOf(one) })
    await writeFile(join(root, 'vms', one.name, 'main.tf.json'), configuration)
  }
  const { connection } = fakeProxmox({})
  const context = { store, connection, signal: new AbortController().signal } as unknown as VmContext
  const found = [
    { name: 'gone', fix: 'remove the folder', fixed: false },
    { name: 'lost', what: expect.stringContaining('may contain a VM'), fix: undefined },
  ]
  expect((await reconcile(context, false)).findings).toMatchObject(found)
  expect(existsSync(join(root, 'vms/gone'))).toBe(true)
  await reconcile(context, true)
  expect(existsSync(join(root, 'vms/gone'))).toBe(false)
  expect((await reconcile(context, true)).findings).toMatchObject([found[1]])
})

const ids = ['1', '2', '3', '4'].map(digit => `${digit.repeat(8)}-1111-4111-8111-111111111111`)
const design = (delivery: 'snippet' | 'iso', ownFile?: true) =>
  ({ cloudInit: { delivery, storage: 'local', ...(ownFile && { ownFile }) } }) as VmDesign
const gone = (name: string, id: string, how: VmDesign): Entry =>
  entry(name, { id, node: 'pve', phase: 'destroyed', token: null, design: how })

async function opened(vms: Record<number, FakeVm> = {}) {
  const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add(
    [],
    [
      gone('web-1', ids[0]!, design('snippet', true)),
      gone('web-2', ids[1]!, design('iso', true)),
      gone('old', ids[2]!, design('snippet')),
    ],
  )
  const proxmox = fakeProxmox(vms)
  for (const volid of [
    `local:snippets/proxmint-web-1-${ids[0]}.yaml`,
    `local:iso/proxmint-web-2-${ids[1]}.iso`,
    // Another site's, those of a person, and one without an id.
    `local:snippets/proxmint-web-1-${ids[3]}.yaml`,
    `local:snippets/proxmint-web-2-${ids[0]}.yaml`,
    `local:snippets/${ids[0]}.yaml`,
    'local:snippets/proxmint-old.yaml',
  ])
    proxmox.volumes.set(volid, 'pve')
  const { connection } = proxmox
  const context = { store, connection, signal: new AbortController().signal } as unknown as VmContext
  return { proxmox, context }
}

test('a VM that a person cloned from a VM template is no lost VM; one with an id in its notes is', async () => {
  const { context } = await opened({
    500: {
      node: 'pve',
      status: 'running',
      config: { name: 'clone', tags: 'proxmint-test', description: 'built' },
    },
    501: {
      ...{ node: 'pve', status: 'running' },
      config: { name: 'lost', tags: 'proxmint-test', description: `Made by proxmint. Entry ${ids[3]}.` },
    },
  })
  const { findings } = await reconcile(context, false)
  expect(findings.filter(({ fix }) => fix === undefined)).toMatchObject([
    { name: 'lost', what: expect.stringContaining('is not in the registry') },
  ])
})

describe('files of user-data on a storage', () => {
  test('that killed runs left are reported, and removed by --fix, and no others', async () => {
    const { proxmox, context } = await opened()
    const { findings } = await reconcile(context, false)
    expect(findings.map(({ name, fix }) => [name, fix])).toEqual([
      ['web-1', 'remove the user-data'],
      ['web-2', 'remove the user-data'],
    ])
    expect(findings[0]!.what).toContain(`local:snippets/proxmint-web-1-${ids[0]}.yaml`)
    expect(proxmox.changes).toEqual([])
    expect((await reconcile(context, true)).findings).toMatchObject([{ fixed: true }, { fixed: true }])
    expect(proxmox.volumes.size).toBe(4)
    expect((await reconcile(context, true)).findings).toEqual([])
  })

  test('of a VM that was restored under its id stay', async () => {
    const { proxmox, context } = await opened()
    const restored = { ...gone('web-1', ids[0]!, design('snippet', true)), phase: 'reserved' as const }
    await context.store.add([{ ...restored, createdAt: new Date().toISOString() }], [])
    const { findings } = await reconcile(context, true)
    expect(findings.filter(({ fix }) => fix !== undefined)).toMatchObject([{ name: 'web-2', fixed: true }])
    expect(proxmox.volumes.has(`local:snippets/proxmint-web-1-${ids[0]}.yaml`)).toBe(true)
  })

  test('to which a VM refers stay: somebody cloned the VM', async () => {
    const cicustom = `user=local:snippets/proxmint-web-1-${ids[0]}.yaml`
    const { proxmox, context } = await opened({
      500: { node: 'pve', status: 'stopped', config: { name: 'copy', cicustom } },
    })
    expect((await reconcile(context, true)).findings).toMatchObject([{ name: 'web-2', fixed: true }])
    expect(proxmox.volumes.has(`local:snippets/proxmint-web-1-${ids[0]}.yaml`)).toBe(true)
  })
})
