import { expect, test } from 'vitest'
import { beginRecord, readRecord, requireProxmoxOf } from '../../../scripts/lib/trial/record.mts'
import { temporaryFolder } from '../temporary.mts'

test('a trial is cleaned up in the Proxmox that it was made in, and in no other', async () => {
  const folder = await temporaryFolder()
  const plan = { id: 'ab12cd' } as Parameters<typeof beginRecord>[1]
  await beginRecord(folder, plan, 'https://pve.example.org:8006/api2/json')
  const record = (await readRecord(folder))!
  requireProxmoxOf(record, folder, 'https://pve.example.org:8006/')
  expect(() => requireProxmoxOf(record, folder, 'https://other.example.org:8006/api2/json')).toThrow(
    'made in another Proxmox',
  )
})
