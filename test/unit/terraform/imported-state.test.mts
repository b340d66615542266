import { expect, test } from 'vitest'
import { completedState } from '../../../scripts/lib/terraform/imported-state.mts'

const vm = 'module.vm.proxmox_virtual_environment_vm.this'
const file = 'module.vm.proxmox_virtual_environment_file.snippet[0]'

const resource = (type: string, name: string, attributes: object, index?: number) => ({
  module: 'module.vm',
  ...{ type: `proxmox_virtual_environment_${type}`, name },
  instances: [{ ...(index !== undefined && { index_key: index }), attributes }],
})

function complete(attributes: object, after: object): Record<string, unknown> {
  const state = { serial: 3, lineage: 'l', resources: [resource('vm', 'this', attributes)] }
  const plan = { resource_changes: [{ address: vm, change: { after: after as Record<string, unknown> } }] }
  return JSON.parse(completedState(JSON.stringify(state), plan)).resources[0].instances[0].attributes
}

test('what only the configuration says is taken from the plan', () => {
  const clone = [{ vm_id: 100 }]
  expect(complete({ clone: [], timeout_clone: null, id: '100' }, { clone, timeout_clone: 1800 })).toEqual({
    ...{ clone, timeout_clone: 1800, id: '100' },
  })
})

test('what Proxmox says stays: a difference is for `apply` to show', () => {
  const found = { memory: [{ dedicated: 4096 }], name: 'web-1', on_boot: false }
  expect(complete(found, { memory: [{ dedicated: 2048 }], name: 'web-2', on_boot: true })).toEqual(found)
})

test('devices and disks that the configuration does not name leave the state', () => {
  const found = {
    disk: [{ interface: 'scsi0' }, { interface: 'scsi1' }],
    network_device: [{ bridge: 'vmbr0' }, { bridge: 'vmbr1' }],
    serial_device: [{ device: 'socket' }],
    initialization: [{ interface: 'ide2' }],
  }
  const after = { serial_device: [], initialization: [], disk: [{ interface: 'scsi0' }] }
  expect(complete(found, after)).toEqual({
    disk: [{ interface: 'scsi0' }],
    network_device: [{ bridge: 'vmbr0' }],
    ...{ serial_device: [], initialization: [] },
  })
})

test('user-data is what the configuration says, and the serial counts up', () => {
  const state = { serial: 3, resources: [resource('file', 'snippet', { source_raw: [], id: 'x' }, 0)] }
  const after = { source_raw: [{ data: '#cloud-config' }] }
  const plan = { resource_changes: [{ address: file, change: { after } }] }
  const done = JSON.parse(completedState(JSON.stringify(state), plan))
  expect(done.serial).toBe(4)
  expect(done.resources[0].instances[0].attributes).toEqual({ ...after, id: 'x' })
})
