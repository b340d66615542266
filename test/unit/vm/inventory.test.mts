import { expect, test } from 'vitest'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { hostsLinesOf, inventoryOf, sshConfigOf } from '../../../scripts/lib/vm/look/inventory.mts'

const web: Entry = {
  ...{
    name: 'web-1',
    id: 'a',
    phase: 'active',
    vmid: 100,
    pool: 'lan',
    address: '192.168.122.5',
    node: 'pve',
  },
  ...{
    owner: null,
    expiresAt: null,
    template: { family: 'debian', version: 'debian-20260101' },
    token: null,
  },
  ...{ purpose: 'shop', failure: null, createdAt: '', history: [] },
  design: { tags: ['proxmint-test', 'web.front'], cloudInit: { username: 'admin' } } as unknown as VmDesign,
}
const old: Entry = {
  ...{ ...web, name: 'old-1', address: '2001:db8::5', vmid: 101, template: null, design: null },
  owner: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
  ownerName: 'Team A',
}

test('an inventory has the groups and variables of each VM', () => {
  expect(inventoryOf([web, old])).toEqual({
    all: { hosts: ['web-1', 'old-1'] },
    phase_active: { hosts: ['web-1', 'old-1'] },
    pool_lan: { hosts: ['web-1', 'old-1'] },
    family_debian: { hosts: ['web-1'] },
    tag_proxmint_test: { hosts: ['web-1'] },
    tag_web_front: { hosts: ['web-1'] },
    owner_0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266: { hosts: ['old-1'] },
    owner_Team_A: { hosts: ['old-1'] },
    _meta: {
      hostvars: {
        'web-1': {
          ...{ ansible_host: '192.168.122.5', ansible_user: 'admin', proxmint_vmid: 100 },
          ...{ proxmint_node: 'pve', proxmint_phase: 'active', proxmint_pool: 'lan' },
          ...{ proxmint_expires_at: null, proxmint_purpose: 'shop' },
          ...{ proxmint_family: 'debian', proxmint_version: 'debian-20260101' },
        },
        'old-1': expect.not.objectContaining({ ansible_user: expect.anything() }),
      },
    },
  })
})

test('no VM is an empty inventory, not a broken one', () => {
  expect(inventoryOf([])).toEqual({ all: { hosts: [] }, _meta: { hostvars: {} } })
})

test('an SSH config names the account where it is known', () => {
  expect(sshConfigOf([web, old])).toBe(
    'Host web-1\n  HostName 192.168.122.5\n  User admin\n\nHost old-1\n  HostName 2001:db8::5',
  )
})

test('a hosts file has the address first', () => {
  expect(hostsLinesOf([web, old])).toBe('192.168.122.5\tweb-1\n2001:db8::5\told-1')
})
