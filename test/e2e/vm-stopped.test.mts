/** Three moments of test/nightly/vm-stopped.test.mts, which has all. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { startLabWith } from './golden.mts'
import { create, destroy, expectWhole, overtaken, succeed } from './vm-stopped.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

test('a create that another run has finished ends with 5, and changes nothing', async () => {
  const { code, stderr } = await overtaken(vms, 'vm-create-planned', ['vm', create], [['vm', create]])
  expect(stderr).toContain('its lock was lost')
  expect(code).toBe(5)
  await expectWhole(lab, vms, 'active')
})

test.each(['vm-destroyed', 'vm-folder-moved'])(
  'a destroy, stopped at %s while the VM was made anew, ends with 5 and leaves the new one',
  async step => {
    if ((await vms.registry.list()).length === 0) await succeed(vms, 'vm', create)
    const before = (await vms.registry.list())[0]!.id
    const others: [string, string[]][] = [
      ['vm', destroy],
      ['vm', create],
    ]
    expect(await overtaken(vms, step, ['vm', destroy], others)).toMatchObject({ code: 5 })
    await expectWhole(lab, vms, 'active')
    expect((await vms.registry.list())[0]!.id).not.toBe(before)
  },
)
