/** Resource mappings: PCI devices, USB devices and directories under one id. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = 'b6f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a22'
const ann = tokenHeader('ann@pve!t', SECRET)

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg:
      'user:ann@pve:1:0::::::\ntoken:ann@pve!t:0:0::\nacl:1:/mapping/usb/stick:ann@pve:PVEMappingUser:\n',
    tokenSecrets: { 'ann@pve!t': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const pci = '/cluster/mapping/pci'
const usb = '/cluster/mapping/usb'
const nic = 'node=pve,id=1af4:1041,path=0000:01:00.0,iommugroup=-1,subsystem-id=1af4:1100'
const send = (method: string, path: string, body: unknown) => lab.call(method, path, JSON.stringify(body))

test('a mapping is made, read, listed, changed and removed', async () => {
  const made = await send('POST', pci, { id: 'nic', map: [nic], description: 'the card' })
  expect([made.status, made.data]).toEqual([200, null])
  const { data } = await lab.get(`${pci}/nic`)
  expect(data).toEqual({
    type: 'pci',
    description: 'the card',
    map: [nic],
    digest: expect.stringMatching(/^\w{40}$/),
  })
  expect((await lab.get(pci)).data).toEqual([{ ...data, id: 'nic' }])
  const changed = await send('PUT', `${pci}/nic`, {
    map: [nic],
    mdev: 1,
    delete: 'description',
    digest: data.digest,
  })
  expect(changed.status).toBe(200)
  expect((await lab.get(`${pci}/nic`)).data).toMatchObject({ mdev: 1, map: [nic] })
  expect((await lab.get(`${pci}/nic`)).data.description).toBeUndefined()
  expect((await lab.call('DELETE', `${pci}/nic`)).status).toBe(200)
  expect((await lab.get(pci)).data).toEqual([])
})

test('what is wrong is refused as Proxmox refuses it', async () => {
  await send('POST', pci, { id: 'nic', map: [nic] })
  const twice = await send('POST', pci, { id: 'nic', map: [nic] })
  expect(twice.reason).toBe("create hardware mapping failed: pci ID 'nic' already defined")
  expect((await lab.get(`${pci}/none`)).reason).toBe("mapping 'none' not found")
  const late = await send('PUT', `${pci}/nic`, { map: [nic], digest: '0'.repeat(40) })
  expect(late.reason).toBe(
    'update hardware mapping failed: detected modified configuration - file changed by other user? Try again.',
  )
  const missing = await send('PUT', `${pci}/none`, { map: [nic] })
  expect(missing.reason).toBe("update hardware mapping failed: pci ID 'none' does not exist")
  const both = await send('PUT', `${pci}/nic`, { map: [nic], mdev: 1, delete: 'mdev' })
  expect(both.reason).toBe(
    "update hardware mapping failed: cannot set and delete property 'mdev' at the same time!",
  )
  const noMap = await send('POST', pci, { id: 'x1' })
  expect(noMap.errors).toEqual({ map: 'property is missing and it is not optional' })
  const wrong = await send('POST', pci, { id: 'x1', map: ['node=pve,id=nope,path=0000:01:00.0'] })
  expect([wrong.status, Object.keys(wrong.errors!)]).toEqual([400, ['map[0]']])
})

test('a check compares a mapping with the node', async () => {
  await send('POST', pci, { id: 'nic', map: [nic] })
  await send('POST', pci, { id: 'gone', map: ['node=pve,id=1af4:1041,path=0000:09:00.0'] })
  await send('POST', usb, { id: 'stick', map: ['node=pve,id=0627:0001'] })
  const checks = Object.fromEntries(
    (await lab.get(`${pci}?check-node=pve`)).data.map((each: { id: string; checks: unknown }) => [
      each.id,
      each.checks,
    ]),
  )
  expect(checks.nic).toEqual([])
  expect(checks.gone).toEqual([
    { severity: 'error', message: "Invalid configuration: pci device '0000:09:00.0' not found\n" },
  ])
  expect((await lab.get(`${usb}?check-node=pve`)).data[0].errors).toEqual([])
})

test('who may use one sees that one, and may change none', async () => {
  await send('POST', usb, { id: 'stick', map: ['node=pve,id=0627:0001'] })
  await send('POST', usb, { id: 'other', map: ['node=pve,id=0627:0001'] })
  expect((await lab.get(usb, ann)).data.map((each: { id: string }) => each.id)).toEqual(['stick'])
  expect((await lab.get(`${usb}/other`, ann)).status).toBe(403)
  expect((await lab.call('DELETE', `${usb}/stick`, {}, ann)).reason).toBe(
    'Permission check failed (/mapping/usb, Mapping.Modify)',
  )
})

test('a directory must be there', async () => {
  const dir = '/cluster/mapping/dir'
  expect((await send('POST', dir, { id: 'share', map: ['node=pve,path=/tmp'] })).status).toBe(200)
  const gone = await send('POST', dir, { id: 'gone', map: ['node=pve,path=/no/such/folder'] })
  expect(gone.reason).toBe('Path /no/such/folder does not exist')
})
