import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'base', scsi0: 'tank:1' })
})

const path = '/nodes/pve/qemu/100/snapshot'
const names = async () => (await lab.get(path)).data.map((one: { name: string }) => one.name)
const parent = async () => (await lab.get('/nodes/pve/qemu/100/config')).data.parent

test('are listed with the VM as it is, and the config names the one it stands on', async () => {
  expect(await names()).toEqual(['current'])
  for (const snapname of ['first', 'second']) expect(await lab.task('POST', path, { snapname })).toBe('OK')
  expect(await names()).toEqual(['first', 'second', 'current'])
  expect((await lab.get(path)).data).toMatchObject([
    { name: 'first', vmstate: 0 },
    { name: 'second', parent: 'first' },
    { name: 'current', parent: 'second', running: 0 },
  ])
  expect(await parent()).toBe('second')
})

test('of one that is deleted, its parent takes the place', async () => {
  for (const snapname of ['first', 'second']) await lab.task('POST', path, { snapname })
  expect(await lab.task('DELETE', `${path}/second`)).toBe('OK')
  expect(await parent()).toBe('first')
  expect(await lab.task('DELETE', `${path}/first`)).toBe('OK')
  expect(await parent()).toBeUndefined()
})

test('a name that is taken is refused', async () => {
  await lab.task('POST', path, { snapname: 'first' })
  const { status, reason } = await lab.call('POST', path, { snapname: 'first' })
  expect([status, reason]).toEqual([500, "snapshot name 'first' already used"])
})
