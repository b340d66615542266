import { expect, test } from 'vitest'
import { createVmLocks } from '../../pve/core/vm-locks.mts'

const gate = () => Promise.withResolvers<void>()

test('one after the other when exclusive, in the order they came', async () => {
  const locks = createVmLocks()
  const order: string[] = []
  const first = gate()
  const running = [
    locks.exclusive(100, 1, async () => {
      await first.promise
      order.push('first')
    }),
    locks.exclusive(100, 1, async () => void order.push('second')),
    locks.exclusive(101, 1, async () => void order.push('other VM')),
  ]
  await running[2]
  first.resolve()
  await Promise.all(running)
  expect(order).toEqual(['other VM', 'first', 'second'])
})

test('readers share, and a waiting writer is not starved', async () => {
  const locks = createVmLocks()
  const order: string[] = []
  const reading = gate()
  const read = (name: string) =>
    locks.shared(100, 1, async () => {
      await reading.promise
      order.push(name)
    })
  const running = [
    read('a'),
    read('b'),
    locks.exclusive(100, 1, async () => void order.push('writer')),
    read('c'),
  ]
  reading.resolve()
  await Promise.all(running)
  expect(order.slice(0, 2).sort()).toEqual(['a', 'b'])
  expect(order.slice(2)).toEqual(['writer', 'c'])
})

test("waiting ends with Proxmox's own words, and the lock still works", async () => {
  const locks = createVmLocks()
  const held = gate()
  const holder = locks.exclusive(100, 1, () => held.promise)
  await expect(locks.shared(100, 0.02, async () => {})).rejects.toThrow(
    "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
  )
  held.resolve()
  await holder
  expect(await locks.exclusive(100, 1, async () => 'free')).toBe('free')
})

test('a failure gives the lock back', async () => {
  const locks = createVmLocks()
  await expect(locks.exclusive(100, 1, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(await locks.exclusive(100, 0.1, async () => 'free')).toBe('free')
})
