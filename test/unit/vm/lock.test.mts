import { beforeEach, expect, test } from 'vitest'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { withVmLock } from '../../../scripts/lib/workflows/vm-lock.mts'
import type { Working } from '../../../scripts/lib/workflows/vm-steps.mts'

let interruption: AbortController
let loss: AbortController
let working: Working

beforeEach(() => {
  interruption = new AbortController()
  loss = new AbortController()
  const exclusively: RegistryStore['exclusively'] = (_name, _purpose, work) => work(loss.signal)
  working = { store: { exclusively }, signal: interruption.signal } as unknown as Working
})

test.each([
  ['Ctrl-C', () => interruption],
  ['the loss of the lock', () => loss],
])('work on a VM is stopped by %s', async (_, controller) => {
  const aborted = await withVmLock(working, 'web-1', 'apply', async ({ signal }) => {
    const before = signal.aborted
    controller().abort()
    return [before, signal.aborted]
  })
  expect(aborted).toEqual([false, true])
})
