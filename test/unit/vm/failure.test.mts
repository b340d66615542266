/** Failures of work on a VM, as the registry keeps them. */
import { expect, test } from 'vitest'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { ProxmintError } from '../../../scripts/lib/run/errors.mts'
import { registerSecret } from '../../../scripts/lib/run/redact.mts'
import { noteFailure } from '../../../scripts/lib/vm/life/failure.mts'
import { entry } from '../registry/entries.mts'

test('a failure is kept without secrets and control characters: another run shows it', async () => {
  registerSecret('s3cret-of-this-run')
  const store: Pick<RegistryStore, 'change'> = { change: async (read, revise) => revise(read) }
  const error = new ProxmintError('the guest says: \u001b[2Jtoken s3cret-of-this-run\nno route')
  const noted = await noteFailure(store, entry('web-1'), 'verify', error)
  expect(noted.failure?.why).toBe('the guest says: token ***\nno route')
  expect(noted.history.at(-1)?.what).toBe('verify failed: the guest says: token ***\nno route')
})
