import { describe, expect, test } from 'vitest'
import { COSTS } from '../../../scripts/lib/terraform/costs.mts'
import {
  guardPlan,
  guardState,
  type Intent,
  type TerraformPlan,
} from '../../../scripts/lib/terraform/plan-guard.mts'
import { vmAddress } from '../../../scripts/lib/terraform/vm-configuration.mts'
import { failureOf } from '../failure.mts'

type Change = NonNullable<TerraformPlan['resource_changes']>[number]['change']

const nothingAgreed = { allowed: new Set<never>(), again: 'zx scripts/apply.mts web-1' }
const allAgreed = { ...nothingAgreed, allowed: new Set(COSTS) }

const web = { name: 'web-1', vmid: 100, mark: 'Entry 1234.' }
/** Of the VM, wherever there is one already. */
const own = { name: 'web-1', vm_id: 100, description: 'shop\nMade by proxmint. Entry 1234.' }
const snippet = 'module.vm.proxmox_virtual_environment_file.snippet[0]'
const plan = (changes: Record<string, Change['actions']>, replace_paths: Change['replace_paths'] = []) => ({
  resource_changes: Object.entries(changes).map(([address, actions]) => ({
    address,
    mode: 'managed',
    change: {
      actions,
      replace_paths,
      before: actions.includes('create') && actions.length === 1 ? null : own,
      after: { ...own, name: actions.includes('update') ? 'web-2' : own.name },
    },
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
  ['destroy', { [vmAddress]: ['no-op'] }, false],
  ['destroy', {}, false],
])('%s: %o may be applied', (intent, changes, something) => {
  expect(guardPlan(web, plan(changes), intent, nothingAgreed).isNeeded).toBe(something)
})

test('a data source that is read is nothing to apply', () => {
  const read = {
    resource_changes: [{ address: 'data.x.y', mode: 'data', change: { actions: ['read' as const] } }],
  }
  expect(guardPlan(web, read, 'update', nothingAgreed).isNeeded).toBe(false)
})

const other = 'module.vm.proxmox_virtual_environment_vm.other'

test.each<[Intent, Record<string, Change['actions']>, string]>([
  ['create', { [vmAddress]: ['create'], [other]: ['delete'] }, `the plan for web-1 would delete ${other}`],
  ['update', { [vmAddress]: ['delete'] }, 'the plan would destroy web-1'],
  ['destroy', { [vmAddress]: ['update'] }, `the plan for web-1 would update ${vmAddress}`],
  ['create', { [vmAddress]: ['no-op'] }, 'the plan to create web-1 does nothing'],
  ['create', {}, 'the plan to create web-1 does nothing'],
  ['create', { [snippet]: ['create'] }, 'the plan to create web-1 does nothing'],
  [
    'update',
    { [vmAddress]: ['create'] },
    'the state of web-1 is lost: the plan would create a VM that exists already',
  ],
])('%s: %o is refused', async (intent, changes, message) => {
  const failure = await failureOf(async () => guardPlan(web, plan(changes), intent, nothingAgreed))
  expect(failure).toMatchObject({ message, exitCode: 3 })
})

test.each([
  [[['network_device', 0, 'x']], 'an attribute that Proxmox cannot change in a VM that exists'],
  [[], 'unknown; a newer provider may need it'],
])('a replacement because of %j is refused with its cause', async (paths, cause) => {
  const replacement = plan({ [vmAddress]: ['delete', 'create'] }, paths)
  expect(await failureOf(async () => guardPlan(web, replacement, 'update', nothingAgreed))).toMatchObject({
    message: 'the plan would destroy web-1 and create a new VM in its place',
    facts: { cause },
    hint: expect.stringContaining('zx scripts/apply.mts web-1 --allow data-loss'),
    exitCode: 3,
  })
  expect(guardPlan(web, replacement, 'update', allAgreed)).toMatchObject({ isNeeded: true, replaces: true })
})

test.each([
  ['another VMID', { vm_id: 101 }],
  ['the id of another entry', { description: 'Made by proxmint. Entry 5678.' }],
])('a folder that another run wrote, with %s, makes no VM', async (_, changes) => {
  const after = { ...own, ...changes }
  for (const [intent, actions, before] of [
    ['create', ['create'], null],
    ['update', ['update'], own],
  ] as const) {
    const change = { address: vmAddress, mode: 'managed', change: { actions: [...actions], before, after } }
    const guard = async () => guardPlan(web, { resource_changes: [change] }, intent, allAgreed)
    expect((await failureOf(guard)).message).toBe('the plan for web-1 is not for web-1 with the VMID 100')
  }
})

describe('a state that another registry uses too', () => {
  const theirs = [
    ['of another VMID', { ...own, vm_id: 101 }],
    ['of another entry', { ...own, description: 'Made by proxmint. Entry 12345.' }],
    ['without notes', { ...own, description: null }],
  ] as const

  test.each(
    theirs.flatMap(([whose, before]) =>
      (
        [
          ['create', ['delete', 'create']],
          ['update', ['update']],
          ['update', ['delete', 'create']],
          ['destroy', ['delete']],
        ] as [Intent, Change['actions']][]
      ).map(([intent, actions]) => [intent, actions, whose, before] as const),
    ),
  )('%s: %j of a VM %s is refused, whatever was agreed to', async (intent, actions, _, before) => {
    const change = { address: vmAddress, mode: 'managed', change: { actions, before } }
    const failure = await failureOf(async () =>
      guardPlan(web, { resource_changes: [change] }, intent, allAgreed),
    )
    expect(failure).toMatchObject({
      message: 'the state of web-1 has another VM, not web-1 with the VMID 100',
      exitCode: 3,
    })
  })

  test('is not emptied, unless it is our own', async () => {
    const state = (values: Record<string, unknown>) => ({
      values: { root_module: { child_modules: [{ resources: [{ address: vmAddress, values }] }] } },
    })
    for (const [, values] of theirs) {
      const failure = await failureOf(async () => guardState(web, state(values)))
      expect(failure.message).toContain('has another VM')
    }
    expect(() => guardState(web, state(own))).not.toThrow()
    expect(() => guardState(web, {})).not.toThrow()
  })

  test('is not given a new VM in the place of one that this Proxmox does not have', async () => {
    const drift = (before: Record<string, unknown>) => ({
      ...plan({ [vmAddress]: ['create'] }),
      resource_drift: [
        { address: vmAddress, mode: 'managed', change: { actions: ['delete' as const], before } },
      ],
    })
    const failure = await failureOf(async () => guardPlan(web, drift(theirs[0][1]), 'create', allAgreed))
    expect(failure.message).toContain('has another VM')
    expect(guardPlan(web, drift(own), 'create', allAgreed).isNeeded).toBe(true)
  })
})
