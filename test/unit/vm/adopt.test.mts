import { describe, expect, test } from 'vitest'
import { filledDefaults } from '../../../scripts/lib/config/vm-defaults.mts'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { type Adopting, completed, planAdoption, type SiteVm } from '../../../scripts/lib/vm/plan/adopt.mts'
import { walletTag } from '../../../scripts/lib/vm/plan/design.mts'
import { wishesOf } from '../../../scripts/lib/vm/plan/wishes.mts'
import { now, pool } from '../registry/entries.mts'

const spec = {
  ...{ name: 'vm', summary: '', usage: '', positionals: 0, uses: [], writes: [], example: '' },
  options: createFlags(),
}
const id = 'ea5cb9e1-6994-4503-a376-48b892b46c8b'
const wallet = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'

const snippet = {
  name: 'web-1',
  description: `shop\nfront\nMade by proxmint. Entry ${id}.`,
  tags: 'production;proxmint-test;web',
  cores: 4,
  memory: '4096',
  cpu: 'cputype=host,flags=+aes',
  scsi0: 'tank:vm-100-disk-0,aio=io_uring,size=20G',
  net0: 'virtio=BC:24:11:2B:98:CE,bridge=vmbr1,firewall=0,tag=20',
  ipconfig0: 'gw=192.168.122.1,ip=192.168.122.205/25',
  nameserver: '192.168.122.1 9.9.9.9',
  cicustom: `user=files:snippets/proxmint-web-1-${id}.yaml`,
  ide2: 'tank:vm-100-cloudinit,media=cdrom,size=4M',
}

const vm = (changes: Partial<SiteVm> = {}, config: SiteVm['config'] = {}): SiteVm => ({
  ...{ vmid: 100, node: 'pve2', status: 'running', addresses: [] },
  ...changes,
  config: { ...snippet, ...config },
})

const nothing = wishesOf(parseArguments(spec, []))
const adopting = (changes: object = {}): Adopting =>
  ({
    wishes: nothing,
    token: undefined,
    pools: {
      ...{ expiryDays: 30, graceDays: 3, rollbackDays: 7, vmidRange: [100, 999], defaultPool: 'default' },
      pools: { default: { ...pool(), gateway: '192.168.122.1', dns: ['192.168.122.1'] } },
    },
    defaults: filledDefaults({}),
    ownSshKey: undefined,
    now,
    ...changes,
  }) as Adopting

test('an entry is read from notes and config', () => {
  const { entry, faults } = planAdoption(vm(), adopting())
  expect(faults).toEqual([])
  expect(entry).toMatchObject({
    ...{ id, name: 'web-1', vmid: 100, node: 'pve2', phase: 'active', purpose: 'shop\nfront' },
    ...{ address: '192.168.122.205', pool: 'default', owner: null, token: null, template: null },
    expiresAt: '2026-02-04T10:00:00.000Z',
    design: {
      ...{ cores: 4, memory: 4096, disk: 20, cpuType: 'host', storage: 'tank', template: null, access: null },
      tags: ['production', 'proxmint-test', 'web'],
      network: {
        ...{ prefix: 25, gateway: '192.168.122.1', dns: ['192.168.122.1', '9.9.9.9'] },
        ...{ bridge: 'vmbr1', vlan: 20 },
      },
      cloudInit: { delivery: 'snippet', storage: 'files', ownFile: true, template: 'devbox' },
    },
  })
  expect(entry!.history.map(({ what }) => what)).toEqual(['adopted', 'created', 'active'])
})

test('an address of IPv6 is read, too', () => {
  const six = { ...pool('fd00::10-fd00::99'), name: 'six' }
  const pools = { ...adopting().pools, pools: { six } }
  const config = { ipconfig0: 'ip6=fd00::0011/64,gw6=fd00::1' }
  expect(planAdoption(vm({}, config), adopting({ pools })).entry).toMatchObject({
    ...{ address: 'fd00::11', pool: 'six' },
    design: { network: { prefix: 64, gateway: 'fd00::1' } },
  })
})

test('further addresses that a pool could give out are kept', () => {
  const six = { ...pool('2001:db8::1-2001:db8::99'), name: 'six' }
  const base = adopting()
  const pools = { ...base.pools, pools: { ...base.pools.pools, six } }
  const config = {
    ipconfig0: 'ip=192.168.122.205/25,ip6=2001:db8::5/64,gw6=fe80::1',
    ipconfig1: 'ip=192.168.122.206/24',
    ipconfig2: 'ip=10.1.1.1/24,ip6=auto',
  }
  const { entry } = planAdoption(vm({}, config), adopting({ pools }))
  expect(entry).toMatchObject({ address: '192.168.122.205', pool: 'default' })
  expect(entry!.addresses).toEqual([
    { card: 0, pool: 'six', address: '2001:db8::5', prefix: 64, gateway: 'fe80::1', dns: [] },
    {
      card: 1,
      pool: 'default',
      address: '192.168.122.206',
      prefix: 24,
      gateway: null,
      dns: ['192.168.122.1'],
    },
  ])
})

test('a VM that is off is suspended, so that nothing starts it', () => {
  expect(planAdoption(vm({ status: 'stopped' }), adopting()).entry).toMatchObject({ phase: 'suspended' })
})

test('values that a config leaves out are those of Proxmox', () => {
  const { name, description, scsi0, net0, ipconfig0, cicustom } = snippet
  const config = { name, description, scsi0, net0, ipconfig0, cicustom, tags: 'proxmint-test' }
  expect(planAdoption({ ...vm(), config }, adopting()).entry!.design).toMatchObject({
    ...{ cores: 1, memory: 512, cpuType: 'qemu64' },
  })
})

describe('a VM with a seed ISO', () => {
  const { ipconfig0: _, cicustom: __, ...rest } = snippet
  // The VM template's own: cloud-init reads the ISO instead.
  const iso = { ...rest, ipconfig0: 'ip=dhcp', ide2: `local:iso/proxmint-web-1-${id}.iso,media=cdrom` }

  test('has the address of its guest agent that is in a pool', () => {
    const seen = { ...vm({ addresses: ['172.17.0.1', '192.168.122.207', 'fe80::1'] }), config: iso }
    const { entry } = planAdoption(seen, adopting())
    expect(entry).toMatchObject({
      address: '192.168.122.207',
      design: {
        cloudInit: { delivery: 'iso', storage: 'local' },
        network: { prefix: 24, gateway: '192.168.122.1' },
      },
    })
  })

  test('wants its address where the agent does not answer', () => {
    const silent = { ...vm(), config: iso }
    expect(planAdoption(silent, adopting()).faults).toEqual([
      'neither its config nor its guest agent tells its address: zx scripts/vm.mts adopt web-1 --ip ADDRESS',
    ])
    const told = adopting({ wishes: { ...nothing, address: '192.168.122.209' } })
    expect(planAdoption(silent, told).entry).toMatchObject({ address: '192.168.122.209' })
  })
})

test.each<[string, SiteVm['config'], string]>([
  ['without an id', { description: 'made by hand' }, 'its notes have no "Entry ID."'],
  ['with a broken id', { description: 'Made by proxmint. Entry 12.' }, 'its notes have no "Entry ID."'],
  ['without notes', { description: '' }, 'its notes have no "Entry ID."'],
  ['outside of all pools', { ipconfig0: 'ip=10.0.0.1/8' }, 'its address 10.0.0.1 is in no pool'],
])('a VM %s is left alone', (_, config, why) => {
  const { entry, faults } = planAdoption(vm({}, config), adopting())
  expect(entry).toBeUndefined()
  expect(faults.join()).toContain(why)
})

describe('the SSH key of the person', () => {
  const ownSshKey = { publicKey: 'ssh-ed25519 AAAA me@laptop', file: '~/.ssh/id_ed25519.pub' }
  const keysOf = (changes: object) => {
    const { entry, assumed } = planAdoption(vm(), adopting({ ownSshKey, ...changes }))
    return [entry!.design!.cloudInit.sshAuthorizedKeys, assumed.join().includes(ownSshKey.file)]
  }

  test('is taken as for a new VM', () => {
    expect(keysOf({})).toEqual([[ownSshKey.publicKey], true])
  })

  test('is not taken if config/vm.yaml has keys', () => {
    const defaults = filledDefaults({ cloud_init: { ssh_authorized_keys: ['ssh-rsa AAAA team'] } })
    expect(keysOf({ defaults })).toEqual([['ssh-rsa AAAA team'], false])
  })
})

describe('a VM with the tag of a wallet', () => {
  const owned = vm({}, { tags: `proxmint-test;${walletTag(wallet)}` })
  const access = { chainId: 1, decryptMessage: 'm' }
  const token = { id: '7', owner: wallet, expiresAt: '2027-01-01T00:00:00.000Z', access }

  test('has no design while nobody names its token: its user-data would lose it', () => {
    const { entry, assumed } = planAdoption(owned, adopting())
    expect(entry).toMatchObject({ design: null, owner: null, token: null })
    expect(assumed.join()).toContain('--owner-wallet and --token-id')
  })

  test('has owner, token and expiry of the chain', () => {
    const ownSshKey = { publicKey: 'ssh-ed25519 AAAA me@laptop', file: '~/.ssh/id_ed25519.pub' }
    expect(planAdoption(owned, adopting({ token, ownSshKey })).entry).toMatchObject({
      ...{ owner: wallet, expiresAt: token.expiresAt, token: { status: 'minted', id: '7' } },
      design: { access, cloudInit: { sshAuthorizedKeys: [] } },
    })
  })

  test('never expires where its token does not', () => {
    const endless = { ...token, expiresAt: null }
    expect(planAdoption(owned, adopting({ token: endless })).entry).toMatchObject({ expiresAt: null })
  })

  test('is not given to another wallet', () => {
    const other = { ...token, owner: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' }
    expect(planAdoption(owned, adopting({ token: other })).faults).toEqual([
      `its tags are not those of the wallet ${other.owner}`,
    ])
  })
})

describe('an adopted VM that is completed later', () => {
  const token = {
    ...{ id: '7', owner: wallet, expiresAt: null },
    access: { chainId: 1, contract: '0xaa', mintLater: false },
  }
  const tagged = { tags: `proxmint-test;${walletTag(wallet)}` }
  const planned = () => planAdoption(vm({ node: 'pve3' }, tagged), adopting({ token })).entry!

  test('keeps its design, and gets the access of its token', () => {
    const before = planAdoption(vm({}, { cores: 2 }), adopting()).entry!
    const { node, owner, expiresAt, design } = completed(before, planned())
    expect({ node, owner, expiresAt }).toEqual({ node: 'pve3', owner: wallet, expiresAt: null })
    expect(design).toEqual({ ...before.design, access: token.access })
  })

  test('gets a design if it had none', () => {
    const before = planAdoption(vm({}, tagged), adopting()).entry!
    expect(before.design).toBeNull()
    expect(completed(before, planned()).design).toEqual(planned().design)
  })
})
