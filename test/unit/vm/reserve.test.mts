import { expect, test } from 'vitest'
import { neverMade } from '../../../scripts/lib/registry/entry.mts'
import { entry, now } from '../registry/entries.mts'

test('the archive says why there never was a VM of a reservation', () => {
  const given = neverMade(entry('web-1', { phase: 'reserved' }), now)
  expect(given.phase).toBe('destroyed')
  expect(given.history.map(({ what }) => what)).toEqual([
    'given up: VMID 150 is taken in Proxmox by another VM',
    'destroyed',
  ])
})
