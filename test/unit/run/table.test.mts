import { expect, test } from 'vitest'
import { formatTable } from '../../../scripts/lib/run/table.mts'

test('columns are as wide as their widest cell, and one in which nothing stands is left out', () => {
  const rows = [
    ['web-1', '', '100', ''],
    ['db', '', '1001', 'jane'],
  ]
  expect(formatTable(['name', 'template', 'VMID', 'owner'], rows).split('\n')).toEqual([
    'name   VMID  owner',
    'web-1  100',
    'db     1001  jane',
  ])
})
