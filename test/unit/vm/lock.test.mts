import { beforeEach, expect, test } from 'vitest'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { type VmContext, withVmLock } from '../../../scripts/lib/vm/context.mts'

let interruption: AbortController
let loss: AbortController
let context: VmContext

beforeEach(() => {
  interruption = new AbortController()
  loss = new AbortController()
  const exclusively: RegistryStore['exclusively'] = (_name, _purpose, work) =>
    work(loss.signal, async () => !loss.signal.aborted)
  context = { store: { exclusively }, signal: interruption.signal } as unknown as VmContext
})

test.each([
  ['Ctrl-C', () => interruption],
  ['the loss of the lock', () => loss],
])('work on a VM is stopped by %s', async (_, controller) => {
  const aborted = await withVmLock(context, 'web-1', 'apply', async ({ signal }) => {
    const before = signal.aborted
    controller().abort()
    return [before, signal.aborted]
  })
  expect(aborted).toEqual([false, true])
})
