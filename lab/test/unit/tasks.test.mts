import { expect, test } from 'vitest'
import type { State } from '../../pve/core/state.mts'
import type { Store } from '../../pve/core/store.mts'
import { createFaults } from '../../pve/faults/faults.mts'
import { createTasks } from '../../pve/tasks/tasks.mts'

const tasksOn = (save: Store['save']) => {
  const store: Store = { state: { tasks: [] } as unknown as State, save, durable: async () => {} }
  const options = { store, node: 'pve', bootedAt: Date.now(), endAtOnce: false }
  return createTasks({ ...options, faults: createFaults(), now: Date.now })
}

const task = { type: 'qmstart', id: '100', authid: 'root@pam' }

test('a worker that cannot be remembered has failed, and ends nothing else', async () => {
  const tasks = tasksOn(() => Promise.reject(new Error('ENOSPC: no space left on device')))
  const upid = await tasks.start({ ...task, work: async () => {} })
  await tasks.settled()
  expect(tasks.find(upid)!.exitstatus).toBe('cannot save the state: ENOSPC: no space left on device')
})

test('the lines of an error are one line in the exit status and in the log', async () => {
  const tasks = tasksOn(async () => {})
  const upid = await tasks.start({ ...task, work: () => Promise.reject(new Error('first\nsecond')) })
  await tasks.settled()
  expect(tasks.find(upid)).toMatchObject({ exitstatus: 'first second', log: ['TASK ERROR: first second'] })
})

test('two tasks begun in one moment have ids of their own', async () => {
  const tasks = tasksOn(async () => {})
  const [a, b] = await Promise.all([1, 2].map(() => tasks.start({ ...task, work: async () => {} })))
  expect(a).not.toBe(b)
})
