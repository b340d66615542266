import { expect, test } from 'vitest'
import { counted } from '../../../scripts/lib/run/counted.mts'

test.each([
  [0, '0 VMs'],
  [1, '1 VM'],
  [2, '2 VMs'],
])('%i', (count, text) => {
  expect(counted(count, 'VM')).toBe(text)
})
