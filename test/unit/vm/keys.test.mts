/** A VM that was reserved without an SSH key takes the keys that there are when it is made. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { withKeysOfToday } from '../../../scripts/lib/vm/plan/logins.mts'
import { limits, wanted } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const key = 'ssh-ed25519 AAAA me@laptop'
const design = (sshAuthorizedKeys: string[], access: object | null = null) =>
  ({ access, cloudInit: { sshAuthorizedKeys, username: 'admin' } }) as unknown as VmDesign

/** The keys of the VM when it is made, and what was said. */
async function keysOf(reserved: VmDesign, today: string[]): Promise<{ keys: string[]; said: string }> {
  const folder = await temporaryFolder()
  await writeFile(
    join(folder, 'vm.yaml'),
    JSON.stringify({ cloud_init: { username: 'other', ssh_authorized_keys: today } }),
  )
  vi.stubEnv('PROXMINT_VM', join(folder, 'vm.yaml'))
  const store = openFileStore({ folder: join(folder, 'registry'), purpose: 'test' })
  const [entry] = await store.reserve([{ ...wanted('web-1'), design: reserved }], limits())
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const made = await withKeysOfToday(entry!, store, openSite())
  expect(await store.find('web-1')).toEqual(made)
  await store.close()
  expect(made.design!.cloudInit.username).toBe('admin')
  return {
    keys: made.design!.cloudInit.sshAuthorizedKeys,
    said: write.mock.calls.map(([text]) => String(text)).join(''),
  }
}

test('of one without any: those of today', async () => {
  expect(await keysOf(design([]), [key])).toEqual({ keys: [key], said: '' })
})

test('of one without any, where there are none still: it is said again', async () => {
  const { keys, said } = await keysOf(design([]), [])
  expect(keys).toEqual([])
  expect(said).toContain('warning: web-1 gets no SSH key, so nobody can log in')
})

test('of one that has some: those that were decided', async () => {
  expect(await keysOf(design(['ssh-ed25519 BBBB']), [key])).toEqual({ keys: ['ssh-ed25519 BBBB'], said: '' })
})

test('of one that a wallet opens: none', async () => {
  expect(await keysOf(design([], {}), [key])).toEqual({ keys: [], said: '' })
})
