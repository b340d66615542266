import { expect, test } from 'vitest'
import type { Quotas } from '../../../scripts/lib/config/pools.mts'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { requireQuota, takesMore } from '../../../scripts/lib/registry/quota.mts'
import { failureOf } from '../failure.mts'

const alice = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const vm = (name: string, owner: string | null = null, own: Partial<VmDesign> = {}) =>
  ({ name, owner, design: { cores: 2, memory: 2048, disk: 10, ...own } }) as Entry
const named = (name: string, ownerName: string, owner: string | null = null): Entry => ({
  ...vm(name, owner),
  ownerName,
})
const faults = async (quotas: Quotas, living: Entry[], wanted: Entry[]) =>
  (await failureOf(async () => requireQuota(quotas, living, wanted))).message

test.each<[string, Quotas, Entry[], Entry[]]>([
  ['no limit', {}, [vm('a')], [vm('b')]],
  ['as many as allowed', { total: { vms: 2, cores: 4, memory: 4096, disk: 20 } }, [vm('a')], [vm('b')]],
  ['a VM without an owner', { each_owner: { vms: 0 } }, [], [vm('b')]],
  ['another owner has many', { each_owner: { vms: 1 } }, [vm('a', '0x1')], [vm('b', alice)]],
  [
    'an owner of its own limit',
    { each_owner: { vms: 0 }, owners: { [alice]: { vms: 1 } } },
    [],
    [vm('b', alice)],
  ],
  [
    'a VM that grows, which counts once',
    { total: { memory: 4096 } },
    [vm('a')],
    [vm('a', null, { memory: 4096 })],
  ],
  ['a VM of another owner by name', { each_owner: { vms: 1 } }, [named('a', 'bob')], [named('b', 'jane')]],
  ['a VM that was imported', { total: { vms: 1, memory: 1 } }, [], [{ ...vm('a'), design: null }]],
])('%s is within', (_, quotas, living, wanted) => {
  expect(() => requireQuota(quotas, living, wanted)).not.toThrow()
})

test.each<[Quotas, Entry[], Entry[], string]>([
  [
    { total: { vms: 1 } },
    [vm('a')],
    [vm('b')],
    'b: quotas.total.vms is 1: 1 VMs are taken, 1 more are wanted',
  ],
  [
    { total: { cores: 6 } },
    [vm('a', null, { sockets: 2 })],
    [vm('b', null, { sockets: 2 })],
    'b: quotas.total.cores is 6: 4 cores are taken, 4 more are wanted',
  ],
  [
    { each_owner: { memory: 3000 } },
    [vm('a', alice.toLowerCase())],
    [vm('b', alice)],
    `b: quotas.each_owner.memory is 3000 for ${alice.toLowerCase()}: 2048 MiB of memory are taken, 2048 more are wanted`,
  ],
  [
    { owners: { Jane: { vms: 1 } }, each_owner: { vms: 9 } },
    [named('a', 'jane')],
    [named('b', 'jane', alice)],
    'b: quotas.owners.Jane.vms is 1: 1 VMs are taken, 1 more are wanted',
  ],
  [
    { total: { disk: 50 } },
    [vm('a', null, { disks: [{ name: 'data', size: 20 }] })],
    [vm('b', null, { disks: [{ name: 'data', size: 20 }] })],
    'b: quotas.total.disk is 50: 30 GiB of disk are taken, 30 more are wanted',
  ],
  [
    { owners: { [alice]: { disk: 10 } }, total: { disk: 15 } },
    [vm('a', alice)],
    [vm('b', alice)],
    `b: quotas.total.disk is 15: 10 GiB of disk are taken, 10 more are wanted; quotas.owners.${alice}.disk is 10: 10 GiB of disk are taken, 10 more are wanted`,
  ],
])('%j is exceeded', async (quotas, living, wanted, message) => {
  expect(await faults(quotas, living, wanted)).toBe(message)
})

test.each<[string, Entry, boolean]>([
  ['the same', vm('a'), false],
  ['less memory', vm('a', null, { memory: 1024 }), false],
  ['more sockets', vm('a', null, { sockets: 2 }), true],
  ['a data disk more', vm('a', null, { disks: [{ name: 'data', size: 1 }] }), true],
  ['another owner', named('a', 'jane'), true],
])('a VM with %s counts as it should', (_, after, more) => {
  expect(takesMore(vm('a'), after)).toBe(more)
})
