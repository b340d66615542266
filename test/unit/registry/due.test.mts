import { expect, test } from 'vitest'
import { type Due, dueFor, nextDue } from '../../../scripts/lib/registry/due.mts'
import type { Phase } from '../../../scripts/lib/registry/entry.mts'
import { entry } from './entries.mts'

const day = 86_400_000
const now = new Date('2026-03-10T00:00:00.000Z')
const ago = (days: number) => new Date(now.getTime() - days * day).toISOString()

test.each<[string, Phase, expired: number, suspended: number | undefined, runs: boolean, Due | undefined]>([
  ['not expired', 'active', -1, undefined, true, undefined],
  ['expired', 'active', 0, undefined, true, 'suspend'],
  ['expired long ago, and never suspended: the grace begins now', 'active', 50, undefined, true, 'suspend'],
  ['suspended within the grace', 'suspended', 5, 2.9, false, undefined],
  ['suspended and running: somebody died, or started it', 'suspended', 5, 2.9, true, 'power off'],
  ['suspended for the grace', 'suspended', 5, 3, false, 'destroy'],
  ['suspended, renewed, and expired again within the grace', 'suspended', 2.9, 30, false, undefined],
  ['suspended, renewed, and expired again for the grace', 'suspended', 3, 30, false, 'destroy'],
  ['suspended and renewed', 'suspended', -1, 9, true, undefined],
  ['reserved only, within the grace', 'reserved', 2.9, undefined, false, undefined],
  ['reserved only, after the grace', 'reserved', 3, undefined, false, 'destroy'],
  ['created and never booted, after the grace', 'created', 3, undefined, false, 'destroy'],
])('%s', (_, phase, expired, suspended, runs, due) => {
  const history = suspended === undefined ? [] : [{ at: ago(suspended), what: 'suspended' }]
  const one = entry('web-1', { phase, expiresAt: ago(expired), history })
  expect(dueFor(one, runs, now, 3 * day)).toBe(due)
})

test('the grace begins with the last suspension, not with one that was resumed', () => {
  const history = [30, 1].map(days => ({ at: ago(days), what: 'suspended' }))
  const one = entry('web-1', { phase: 'suspended', expiresAt: ago(2), history })
  expect(dueFor(one, false, now, 3 * day)).toBeUndefined()
})

test('of an interrupted rebuild, the old VM is powered off when it has expired, and goes after the grace', () => {
  const one = entry('web-1', { phase: 'reserved', replaces: 'debian-20260101-00c0ffee', expiresAt: ago(1) })
  expect(dueFor(one, true, now, 3 * day)).toBe('power off')
  expect(dueFor(one, false, now, 3 * day)).toBeUndefined()
  expect(dueFor(one, true, now, day)).toBe('destroy')
  expect(dueFor({ ...one, expiresAt: ago(-1) }, true, now, day)).toBeUndefined()
})

test('of a VM that never expires nothing is ever due', () => {
  for (const phase of ['active', 'suspended', 'reserved'] as const) {
    const one = entry('web-1', { phase, expiresAt: null, history: [{ at: ago(400), what: 'suspended' }] })
    expect(dueFor(one, true, now, 0)).toBeUndefined()
    expect(nextDue(one, 0)).toBeUndefined()
  }
})

test('what becomes due next is known before', () => {
  const active = entry('web-1', { phase: 'active', expiresAt: ago(-1) })
  expect(nextDue(active, 3 * day)).toEqual({ due: 'suspend', at: now.getTime() + day })
  const history = [{ at: ago(2), what: 'suspended' }]
  const suspended = entry('web-1', { phase: 'suspended', expiresAt: ago(2), history })
  expect(nextDue(suspended, 3 * day)).toEqual({ due: 'destroy', at: now.getTime() + day })
})
