import { expect, test } from 'vitest'
import { guardPlan, type Intent, type TerraformPlan } from '../../../scripts/lib/terraform/plan-guard.mts'
import { vmAddress } from '../../../scripts/lib/terraform/vm-configuration.mts'
import { failureOf } from '../failure.mts'

type Change = NonNullable<TerraformPlan['resource_changes']>[number]['change']

const snippet = 'module.vm.proxmox_virtual_environment_file.snippet[0]'
const plan = (changes: Record<string, Change['actions']>, replace_paths: Change['replace_paths'] = []) => ({
  resource_changes: Object.entries(changes).map(([address, actions]) => ({
    address,
    mode: 'managed',
    change: { actions, replace_paths },
  })),
})

test.each<[Intent, Record<string, Change['actions']>, boolean]>([
  ['create', { [vmAddress]: ['create'], [snippet]: ['create'] }, true],
  ['update', { [vmAddress]: ['update'], [snippet]: ['delete', 'create'] }, true],
  ['update', { [snippet]: ['delete', 'create'] }, true],
  ['update', { [vmAddress]: ['no-op'] }, false],
  ['update', {}, false],
  ['destroy', { [vmAddress]: ['delete'], [snippet]: ['delete'] }, true],
  ['destroy', { [snippet]: ['delete'] }, true],
])('%s: %o may be applied', (intent, changes, something) => {
  expect(guardPlan('web-1', plan(changes), intent, false)).toBe(something)
})

test('a data source that is read is nothing to apply', () => {
  const read = {
    resource_changes: [{ address: 'data.x.y', mode: 'data', change: { actions: ['read' as const] } }],
  }
  expect(guardPlan('web-1', read, 'update', false)).toBe(false)
})

const other = 'module.vm.proxmox_virtual_environment_vm.other'

test.each<[Intent, Record<string, Change['actions']>, string]>([
  ['create', { [vmAddress]: ['create'], [other]: ['delete'] }, `the plan for web-1 would delete ${other}`],
  ['update', { [vmAddress]: ['delete'] }, 'the plan would destroy web-1'],
  ['destroy', { [vmAddress]: ['update'] }, `the plan for web-1 would update ${vmAddress}`],
  ['create', { [vmAddress]: ['no-op'] }, 'the plan to create web-1 does nothing'],
  ['create', {}, 'the plan to create web-1 does nothing'],
  ['create', { [snippet]: ['create'] }, 'the plan to create web-1 does nothing'],
  ['destroy', {}, 'the plan to destroy web-1 does nothing'],
])('%s: %o is refused', async (intent, changes, message) => {
  const failure = await failureOf(async () => guardPlan('web-1', plan(changes), intent, false))
  expect(failure).toMatchObject({ message, exitCode: 3 })
})

test.each([
  [[['clone', 0, 'vm_id']], 'another version of the VM template'],
  [[['network_device', 0, 'x']], 'an attribute that Proxmox cannot change in a VM that exists'],
  [[], 'unknown; a newer provider may need it'],
])('a replacement because of %j is refused with its cause', async (paths, cause) => {
  const replacement = plan({ [vmAddress]: ['delete', 'create'] }, paths)
  expect(await failureOf(async () => guardPlan('web-1', replacement, 'update', false))).toMatchObject({
    message: 'the plan would destroy web-1 and make a new VM in its place',
    facts: { cause },
    exitCode: 3,
  })
  expect(guardPlan('web-1', replacement, 'update', true)).toBe(true)
})
