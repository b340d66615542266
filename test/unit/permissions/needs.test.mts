import { describe, expect, test } from 'vitest'
import {
  acceptanceNeeds,
  baseImportNeeds,
  cardNeeds,
  cloneBuildNeeds,
  isoBuildNeeds,
  type Need,
  type NewVmPlace,
  vmNeeds,
} from '../../../scripts/lib/permissions/needs.mts'

const place: NewVmPlace = {
  pveMajor: 9,
  node: 'pve',
  vmid: undefined,
  diskStorages: ['tank'],
  bridge: 'vmbr0',
}

/** `PATH PRIVILEGE + PATH PRIVILEGE | PATH PRIVILEGE`, in brackets where the work goes on without it. */
function told(needs: Need[]): string[] {
  return needs.map(({ alternatives, without }) => {
    const text = alternatives
      .map(grants => grants.map(({ path, privilege }) => `${path} ${privilege}`).join(' + '))
      .join(' | ')
    return without === undefined ? text : `[${text}]`
  })
}

const config = (path: string) =>
  ['CPU', 'Cloudinit', 'CDROM', 'Disk', 'HWType', 'Memory', 'Network', 'Options'].map(
    part => `${path} VM.Config.${part}`,
  )

describe('a build of a VM template by clone', () => {
  test('on PVE 9, before a VMID is chosen', () => {
    expect(told(cloneBuildNeeds(place, 9900, true))).toEqual([
      '/vms/9900 VM.Audit',
      '/vms/9900 VM.Clone',
      '/vms VM.Audit',
      '/vms VM.Allocate',
      '/storage/tank Datastore.AllocateSpace',
      '/sdn/zones/localnetwork/vmbr0 SDN.Use',
      ...config('/vms'),
      '/vms VM.PowerMgmt',
      '/vms VM.GuestAgent.Audit | /vms VM.GuestAgent.Unrestricted',
      '[/ Sys.Audit]',
    ])
  })

  test.each<[string, Partial<NewVmPlace>, string, string | undefined]>([
    [
      'PVE 8 asks the agent under another name',
      { pveMajor: 8 },
      '/vms VM.Monitor',
      '/vms VM.GuestAgent.Audit | /vms VM.GuestAgent.Unrestricted',
    ],
    ['a VMID that is chosen', { vmid: 9000 }, '/vms/9000 VM.PowerMgmt', '/vms VM.PowerMgmt'],
    [
      'a VLAN',
      { vlanTag: 42 },
      '/sdn/zones/localnetwork/vmbr0/42 SDN.Use',
      '/sdn/zones/localnetwork/vmbr0 SDN.Use',
    ],
    [
      'a pool is as good a place',
      { pool: 'web' },
      '/pool/web VM.Allocate | /vms VM.Allocate',
      '/vms VM.Allocate',
    ],
    [
      'a vnet of an SDN zone, with its VLAN',
      { bridge: 'blue', zone: 'dc1', vlanTag: 20 },
      '/sdn/zones/dc1/blue/20 SDN.Use',
      '/sdn/zones/localnetwork/vmbr0 SDN.Use',
    ],
    [
      'a second storage',
      { diskStorages: ['tank', 'fast'] },
      '/storage/fast Datastore.AllocateSpace',
      undefined,
    ],
  ])('%s', (_, changes, present, absent) => {
    const needs = told(cloneBuildNeeds({ ...place, ...changes }, 9900, true))
    expect(needs).toContain(present)
    expect(needs).not.toContain(absent)
  })

  test('with a pool, everything on the new VM can come from the pool', () => {
    const needs = cloneBuildNeeds({ ...place, pool: 'web' }, 9900, true)
    const onVm = needs.filter(({ alternatives }) => alternatives.flat().some(({ path }) => path === '/vms'))
    expect(onVm.length).toBe(12)
    expect(onVm.filter(({ alternatives }) => alternatives[0]![0]!.path !== '/pool/web')).toEqual([])
    const acceptance = acceptanceNeeds(
      { ...place, pool: 'web' },
      undefined,
      { login: 'ssh', agent: true },
      'local',
    )
    const [first] = acceptance.map(({ alternatives }) => alternatives)
    expect(first).toEqual([
      [{ path: '/pool/web', privilege: 'VM.Audit' }],
      [{ path: '/vms', privilege: 'VM.Audit' }],
    ])
  })

  test('the cards of the base VM count too: Proxmox checks them for the clone', () => {
    const cards = [{ bridge: 'vmbr0', vlanTag: 20 }, { bridge: 'vmbr1' }]
    const needs = told(cloneBuildNeeds({ ...place, vlanTag: 20 }, 9900, true, cards))
    expect(needs.filter(need => need.includes('SDN.Use'))).toEqual([
      '/sdn/zones/localnetwork/vmbr1 SDN.Use',
      '/sdn/zones/localnetwork/vmbr0/20 SDN.Use',
    ])
  })

  test('a storage named twice is asked about once', () => {
    const needs = told(cloneBuildNeeds({ ...place, diskStorages: ['tank', 'tank'] }, 9900, true))
    expect(needs.filter(need => need.startsWith('/storage/'))).toEqual([
      '/storage/tank Datastore.AllocateSpace',
    ])
  })

  test('a template that asks no agent', () => {
    const all = told(cloneBuildNeeds(place, 9900, true))
    const without = told(cloneBuildNeeds(place, 9900, false))
    expect(all.filter(need => !without.includes(need))).toEqual([
      '/vms VM.GuestAgent.Audit | /vms VM.GuestAgent.Unrestricted',
    ])
  })

  test('a base VM that is not known yet', () => {
    expect(told(cloneBuildNeeds(place, undefined, true)).slice(0, 2)).toEqual([
      '/vms VM.Audit',
      '/vms VM.Clone',
    ])
  })
})

test('a build that installs from a medium wants the medium and a key besides', () => {
  const clone = told(cloneBuildNeeds(place, 9900, true))
  expect(told(isoBuildNeeds(place, 'local', true))).toEqual([
    '/storage/local Datastore.AllocateTemplate',
    '/nodes/pve Sys.AccessNetwork | / Sys.Audit + / Sys.Modify',
    '/storage/local Datastore.Allocate',
    '/vms VM.Console',
    ...clone.slice(2),
  ])
})

test('the import of a cloud image', () => {
  expect(told(baseImportNeeds(place, 'local'))).toEqual([
    '/storage/local Datastore.AllocateTemplate',
    '/nodes/pve Sys.AccessNetwork | / Sys.Audit + / Sys.Modify',
    '/storage/local Datastore.Audit | /storage/local Datastore.AllocateSpace',
    '[/storage/local Datastore.Allocate]',
    '/vms VM.Audit',
    '/vms VM.Allocate',
    '/storage/tank Datastore.AllocateSpace',
    '/sdn/zones/localnetwork/vmbr0 SDN.Use',
    ...config('/vms'),
    '/vms VM.PowerMgmt',
  ])
})

describe('the acceptance test of a VM template', () => {
  const clones = ['/vms VM.Audit', '/vms VM.Allocate', '/storage/tank Datastore.AllocateSpace']
  const common = [
    '/vms/9000 VM.Audit',
    '/vms/9000 VM.Clone',
    ...clones,
    '/sdn/zones/localnetwork/vmbr0 SDN.Use',
    '/vms VM.Config.Disk',
    '/vms VM.Config.Options',
    '/vms VM.PowerMgmt',
  ]
  const agent = ['/vms VM.GuestAgent.Audit | /vms VM.GuestAgent.Unrestricted']
  const seed = [
    '/vms VM.Config.CDROM',
    '/vms VM.Config.Cloudinit',
    '/vms VM.Config.Network',
    '/storage/local Datastore.AllocateTemplate',
    '/storage/local Datastore.Audit | /storage/local Datastore.AllocateSpace',
    '[/storage/local Datastore.Allocate]',
  ]

  test.each([
    ['ssh', true, [...common, ...agent, ...seed]],
    ['ssh', false, [...common, ...seed]],
    ['none', true, [...common, ...agent]],
    ['none', false, common],
  ] as const)('with login %s, agent %s', (login, hasAgent, needs) => {
    expect(told(acceptanceNeeds(place, 9000, { login, agent: hasAgent }, 'local'))).toEqual(needs)
  })

  test('wants nothing that building and importing do not', () => {
    const privileges = (needs: Need[]) =>
      needs.flatMap(need => need.alternatives[0]!.map(grant => grant.privilege))
    const others = privileges([
      ...cloneBuildNeeds(place, undefined, true),
      ...baseImportNeeds(place, 'local'),
    ])
    const own = privileges(acceptanceNeeds(place, undefined, { login: 'ssh', agent: true }, 'local'))
    expect(own.filter(privilege => !others.includes(privilege))).toEqual([])
  })
})

test.each([
  ['snippet', []],
  ['iso', ['/storage/local Datastore.AllocateTemplate']],
] as const)('the life of a VM, its user-data delivered as %s', (kind, upload) => {
  expect(told(vmNeeds(place, 9000, { kind, storage: 'local' }))).toEqual([
    '/vms/9000 VM.Audit',
    '/vms/9000 VM.Clone',
    '/vms VM.Audit',
    '/vms VM.Allocate',
    '/storage/tank Datastore.AllocateSpace',
    '/sdn/zones/localnetwork/vmbr0 SDN.Use',
    ...config('/vms'),
    '/vms VM.PowerMgmt',
    '/vms VM.GuestAgent.Audit | /vms VM.GuestAgent.Unrestricted',
    '/storage/local Datastore.Audit',
    ...upload,
    '/storage/local Datastore.Allocate',
  ])
})

test.each([
  [7, 'VM.Monitor'],
  [8, 'VM.Monitor'],
  [9, 'VM.GuestAgent.Audit'],
  [10, 'VM.GuestAgent.Audit'],
])('the privilege to ask the guest agent on PVE %i: %s', (pveMajor, privilege) => {
  const needs = cloneBuildNeeds({ ...place, pveMajor }, 9900, true)
  const [first] = needs.find(({ purpose }) => purpose === 'ask the guest agent for the address')!.alternatives
  expect(first).toEqual([{ path: '/vms', privilege }])
})

test('each network of a card is needed once, by its bridge or VLAN and its zone', () => {
  const furtherCards = [
    { bridge: 'vmbr0' },
    { bridge: 'vmbr0', vlanTag: 40 },
    { bridge: 'shop', zone: 'vlans' },
    { bridge: 'shop', zone: 'vlans' },
  ]
  const paths = [
    '/sdn/zones/localnetwork/vmbr0 SDN.Use',
    '/sdn/zones/localnetwork/vmbr0/40 SDN.Use',
    '/sdn/zones/vlans/shop SDN.Use',
  ]
  const made = vmNeeds({ ...place, furtherCards }, 9000, { kind: 'iso', storage: 'local' })
  expect(told(made).filter(text => text.endsWith(' SDN.Use'))).toEqual(paths)
  expect(told(cardNeeds(100, furtherCards))).toEqual([
    ...paths,
    '/vms/100 VM.Config.Network',
    '/vms/100 VM.Config.Cloudinit',
  ])
})
