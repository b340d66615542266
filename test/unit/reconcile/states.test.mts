import { expect, test } from 'vitest'
import { stateFault } from '../../../scripts/lib/reconcile/states.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import { entry } from '../registry/entries.mts'

const web = entry('web-1')
const state = (attributes: object, type = 'proxmox_virtual_environment_vm') =>
  JSON.stringify({ resources: [{ type, instances: [{ attributes }] }] })
const own = { name: 'web-1', vm_id: 150, description: `Rack 4\n${descriptionOf(web)}` }

test('the state of the VM itself is right', () => {
  expect(stateFault(web, state(own))).toBeUndefined()
})

test.each([
  ['one that is gone', undefined, 'its state vms/web-1/terraform.tfstate is gone'],
  ['an empty file', '', 'its state vms/web-1/terraform.tfstate cannot be read'],
  ['one that is cut off', state(own).slice(0, 40), 'its state vms/web-1/terraform.tfstate cannot be read'],
  ['one without the VM', '{"resources": []}', 'its state vms/web-1/terraform.tfstate does not have the VM'],
  ['one with the file alone', state(own, 'proxmox_virtual_environment_file'), 'does not have the VM'],
  ['that of another VM', state({ ...own, vm_id: 151, name: 'db' }), 'its state has another VM: 151 (db)'],
  [
    'that of another entry',
    state({ ...own, description: 'Entry 1.' }),
    'its state has another VM: 150 (web-1)',
  ],
])('%s is a finding', (_, text, what) => {
  expect(stateFault(web, text)).toEqual({
    what: expect.stringContaining(what),
    hint: expect.stringContaining('zx scripts/vm.mts adopt web-1 --apply'),
  })
})
