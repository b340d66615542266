/** Failures of work on a VM, as the registry keeps them. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { ProxmintError } from '../../../scripts/lib/run/errors.mts'
import { registerSecret } from '../../../scripts/lib/run/redact.mts'
import { noteFailure, notingFailure, withoutFailure } from '../../../scripts/lib/vm/life/failure.mts'
import { formatVms } from '../../../scripts/lib/vm/look/list.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

test('a failure is kept without secrets and control characters: another run shows it', async () => {
  registerSecret('s3cret-of-this-run')
  const store: Pick<RegistryStore, 'change'> = { change: async (read, revise) => revise(read) }
  const error = new ProxmintError('the guest says: \u001b[2Jtoken s3cret-of-this-run\nno route')
  const noted = await noteFailure(store, entry('web-1'), 'verify', error)
  expect(noted.failure?.why).toBe('the guest says: token ***\nno route')
  expect(noted.history.at(-1)?.what).toBe('verify failed: the guest says: token ***\nno route')
})

describe('a failure that the registry has', () => {
  const now = new Date('2026-03-10T00:00:00.000Z')
  const failure = (step: string) => ({ step, why: 'no route', at: '2026-03-09T00:00:00.000Z' })

  async function storeWith(step: string): Promise<RegistryStore> {
    const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
    onTestFinished(() => store.close())
    await store.add([entry('web-1', { phase: 'active', failure: failure(step) })], [])
    return store
  }

  const listed = async (store: RegistryStore) => formatVms(await store.list(), now)
  const succeeds = async (store: RegistryStore, step: string) =>
    notingFailure(store, (await store.find('web-1'))!, step, async () => 'done')

  test('is in the list until the step succeeds', async () => {
    const store = await storeWith('resume')
    expect(await listed(store)).toContain('active (resume failed)')
    expect(await succeeds(store, 'resume')).toBe('done')
    expect(await listed(store)).not.toContain('failed')
    expect(await store.find('web-1')).toMatchObject({ failure: null })
  })

  test('stays when another step succeeds, or the step fails once more', async () => {
    const store = await storeWith('mint')
    await succeeds(store, 'suspend')
    expect(await listed(store)).toContain('active (mint failed)')
    const work = () => Promise.reject(new ProxmintError('no funds'))
    await expect(notingFailure(store, (await store.find('web-1'))!, 'mint', work)).rejects.toThrow('no funds')
    expect(await store.find('web-1')).toMatchObject({ failure: { step: 'mint', why: 'no funds' } })
  })

  test('stays where another run noted a newer one meanwhile', async () => {
    const store = await storeWith('verify')
    const read = (await store.find('web-1'))!
    const newer = await noteFailure(store, read, 'verify', new ProxmintError('no answer'))
    await notingFailure(store, read, 'verify', async () => undefined)
    expect((await store.find('web-1'))?.failure).toEqual(newer.failure)
  })

  test('is cleared by an apply that finds all as it should be, unless it is of a mint', async () => {
    for (const [step, text] of [
      ['verify', 'active '],
      ['mint', 'active (mint failed)'],
    ] as const) {
      const store = await storeWith(step)
      await withoutFailure(store, (await store.find('web-1'))!)
      expect(await listed(store)).toContain(text)
    }
  })
})
