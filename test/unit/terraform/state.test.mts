import { expect, test } from 'vitest'
import {
  knowsAnything,
  knowsVm,
  nodesIn,
  type TerraformState,
} from '../../../scripts/lib/terraform/state.mts'
import { vmAddress } from '../../../scripts/lib/terraform/vm-configuration.mts'

const state = (resources: { address: string; values?: Record<string, unknown> }[]): TerraformState => ({
  values: { root_module: { child_modules: [{ resources }] } },
})
const snippet = 'module.vm.proxmox_virtual_environment_file.snippet[0]'

test('what a state has, and on which nodes', () => {
  const both = state([
    { address: vmAddress, values: { node_name: 'pve2' } },
    { address: snippet, values: { node_name: 'pve' } },
    { address: 'module.vm.other', values: { node_name: 'pve' } },
  ])
  expect([knowsAnything(both), knowsVm(both), nodesIn(both)]).toEqual([true, true, ['pve2', 'pve']])
  const file = state([{ address: snippet }])
  expect([knowsAnything(file), knowsVm(file), nodesIn(file)]).toEqual([true, false, []])
})

test.each([{}, { values: {} }])('%j has nothing', empty => {
  expect([knowsAnything(empty), knowsVm(empty), nodesIn(empty)]).toEqual([false, false, []])
})
