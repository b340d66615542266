import { expect, test } from 'vitest'
import type { VmSummary } from '../../../scripts/lib/proxmox/list-vms.mts'
import { divergencesOf, type Views } from '../../../scripts/lib/registry/divergence.mts'
import type { Phase, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { entry, now, pool } from './entries.mts'

const vm = (changes: Partial<VmSummary> = {}): VmSummary => ({
  vmid: 150,
  name: 'web-1',
  node: 'pve',
  status: 'running',
  tags: 'proxmint-test;web',
  ...changes,
})

const views = (changes: Partial<Views> = {}): Views => ({
  entries: [entry('web-1')],
  vms: [vm()],
  folders: new Map([['web-1', { holdsState: true }]]),
  revoked: new Map([['debian-20251201-00c0ffee', 'CVE-2026-1234']]),
  config: { site: 'test', templateVmidRange: [9000, 9899], baseVmidRange: [9900, 9999] },
  vmidRange: [100, 999],
  pools: { default: pool() },
  now,
  ...changes,
})

const inPhase = (phase: Phase, createdAt = now.toISOString()) => [entry('web-1', { phase, createdAt })]
const yesterday = '2026-01-04T09:00:00.000Z'

test.each<[string, Partial<Views>, string[]]>([
  ['all agree', {}, []],
  ['a VM is gone', { vms: [] }, ['web-1: VM 150 is not in Proxmox, or cannot be seen']],
  ['another VM has the number', { vms: [vm({ name: 'db' })] }, ['web-1: VM 150 on pve is named db']],
  ['the tag is gone', { vms: [vm({ tags: '' })] }, ['web-1: VM 150 on pve lacks the tag proxmint-test']],
  ['it was stopped', { vms: [vm({ status: 'stopped' })] }, ['web-1: it is active, but VM 150 is stopped']],
  [
    'its node is off',
    { vms: [{ vmid: 150, node: 'pve2', status: 'unknown', tags: 'proxmint-test' }] },
    ['web-1: VM 150 is on pve2, which says nothing about it'],
  ],
  ['just reserved', { entries: inPhase('reserved'), vms: [] }, []],
  [
    'an address that leaks',
    { entries: inPhase('reserved', yesterday), vms: [] },
    ['web-1: it was reserved more than a day ago, was never created and holds 192.168.122.230'],
  ],
  [
    'an interrupted rebuild',
    {
      entries: [entry('web-1', { phase: 'reserved', history: [{ at: yesterday, what: 'active' }] })],
      vms: [],
    },
    ['web-1: its rebuild is not finished'],
  ],
  ['created, and off', { entries: inPhase('created'), vms: [vm({ status: 'stopped' })] }, []],
  [
    'a step that failed',
    { entries: [entry('web-1', { failure: { step: 'boot', why: 'no lease\nmore', at: '' } })] },
    ['web-1: boot failed: no lease'],
  ],
  [
    'a VM that no wallet opens yet',
    { entries: [entry('web-1', { design: { access: {} } as VmDesign })] },
    ['web-1: it has no token, so no wallet can open it'],
  ],
  ['suspended, and off', { entries: inPhase('suspended'), vms: [vm({ status: 'stopped' })] }, []],
  [
    'suspended, and running',
    { entries: inPhase('suspended') },
    ['web-1: it is suspended, but VM 150 is running (power it off)'],
  ],
  [
    'on a version that was revoked',
    {
      entries: [entry('web-1', { template: { family: 'debian', version: 'debian-20251201-00c0ffee' } })],
      vms: [vm({ status: 'stopped' })],
    },
    [
      'web-1: it is active, but VM 150 is stopped',
      'web-1: it is made from debian-20251201-00c0ffee, which is revoked: CVE-2026-1234',
    ],
  ],
  [
    'a pool and a range that moved',
    { pools: { default: pool('10.0.0.10-10.0.0.99') }, vmidRange: [200, 299] },
    [
      'web-1: VMID 150 is not in vmid_range, 200 to 299',
      'web-1: the address 192.168.122.230 is not in the pool default',
    ],
  ],
  [
    'a pool that is gone',
    { pools: { lan: { ...pool('192.168.122.100-192.168.122.250'), name: 'lan' } } },
    ['web-1: its pool default is not in config/db.yaml any more'],
  ],
  [
    'orphans, also one beyond vmid_range, which may have been another before',
    { vms: [vm(), vm({ vmid: 151, name: 'lost' }), vm({ vmid: 1234, name: 'older' })] },
    [
      'lost: VM 151 on pve has the tag of this site, but is not in the registry',
      'older: VM 1234 on pve has the tag of this site, but is not in the registry',
    ],
  ],
  [
    'VM templates, VMs that become one, and other sites are no orphans',
    {
      vms: [
        vm(),
        vm({ vmid: 152, template: 1 }),
        vm({ vmid: 153, tags: 'proxmint-home' }),
        vm({ vmid: 9000 }),
      ],
    },
    [],
  ],
  [
    'an empty folder',
    { folders: new Map([['old', { holdsState: false }]]) },
    ['old: the folder vms/old belongs to no VM of the registry (remove the folder)'],
  ],
  [
    'a folder whose state has something, or cannot be read',
    {
      folders: new Map([
        ['a', { holdsState: true }],
        ['b', { holdsState: undefined }],
      ]),
    },
    [
      'a: the folder vms/a belongs to no VM of the registry, but its state may contain a VM',
      'b: the folder vms/b belongs to no VM of the registry, but its state may contain a VM',
    ],
  ],
])('%s', (_, changes, expected) => {
  const found = divergencesOf(views(changes)).map(
    ({ name, what, fix }) => `${name}: ${what}${fix === undefined ? '' : ` (${fix})`}`,
  )
  expect(found).toEqual(expected)
})
