import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getGuestAddresses } from '../../scripts/lib/proxmox/get-guest-addresses.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

/** VMs with several cards, by both ways of their user-data, and what of them is free again afterwards. */
let lab: Lab
let vms: VmWorkspace
let env: Record<string, string>

const POOLS = `pools:
  default: { addresses: 192.168.122.200-192.168.122.210, prefix: 24, gateway: 192.168.122.1 }
  six: { addresses: "2001:db8:7::10-2001:db8:7::1f", prefix: 64, gateway: "fe80::1" }
  store: { addresses: 10.9.0.10-10.9.0.19, prefix: 24, gateway: 10.9.0.1, bridge: vmbr0 }
`
const NETWORKS = [
  'pool=default,pool6=six,firewall=on,ipfilter=on',
  'bridge=vmbr0,vlan=40,rate=10',
  'pool=store',
].flatMap(card => ['--network', card])

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
  const file = join(vms.workspace.folder, 'pools.yaml')
  await writeFile(file, POOLS)
  env = { PROXMINT_POOLS: file }
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

describe.sequential.each(['snippet', 'iso'])('a VM with three cards, by %s', delivery => {
  const name = `cards-${delivery}`
  let vm: { node: string; vmid: number }
  /** Of IPv4 and IPv6 on the first card, and of the third. */
  let first: string
  let six: string
  let store: string

  // biome-ignore lint/suspicious/noExplicitAny: what a command printed
  const json = async (command: string, ...args: string[]): Promise<any> => {
    const { code, stdout, stderr } = await vms.run(command, [...args, '--json'], env)
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout)
  }
  const config = () => getVmConfig(rootClient(lab), vm)

  test('it has all of them and their addresses, reserved in one commit', async () => {
    const file = join(vms.workspace.folder, `${delivery}.yaml`)
    await writeFile(file, `cloud_init:\n  delivery: ${delivery}\n`)
    env = { ...env, PROXMINT_VM: file }
    const entry = await json('vm', 'create', name, '--no-web3', ...NETWORKS, '--apply')
    vm = { node: entry.node, vmid: entry.vmid }
    expect(entry).toMatchObject({ phase: 'active', pool: 'default' })
    expect(entry.addresses).toMatchObject([
      { card: 0, pool: 'six', prefix: 64, gateway: 'fe80::1' },
      { card: 2, pool: 'store', prefix: 24, gateway: null },
    ])
    first = entry.address
    six = entry.addresses[0].address
    store = entry.addresses[1].address
    const found = await config()
    expect(found['net0']).toMatch(/^virtio=.*,firewall=1/)
    expect(found['net1']).toMatch(/^virtio=[\dA-F:]{17},bridge=vmbr0,rate=10,tag=40$/)
    expect(found['net2']).toMatch(/^virtio=[\dA-F:]{17},bridge=vmbr0$/)
    const configured = [0, 1, 2].map(number => found[`ipconfig${number}`])
    if (delivery === 'iso') expect(configured).toEqual([undefined, undefined, undefined])
    else {
      expect(String(configured[0]).split(',').sort()).toEqual(
        ['gw=192.168.122.1', 'gw6=fe80::1', `ip=${first}/24`, `ip6=${six}/64`].sort(),
      )
      expect(configured.slice(1)).toEqual([undefined, `ip=${store}/24`])
    }
  })

  test('the guest has each address on the card that it is for', async () => {
    const cards = (await getGuestAddresses(rootClient(lab), vm))!
    const found = await config()
    for (const [number, address] of [
      [0, first],
      [0, six],
      [2, store],
    ] as const) {
      const mac = /=([\dA-F:]{17})/.exec(String(found[`net${number}`]))![1]!.toLowerCase()
      const having = cards.filter(({ addresses }) => addresses.some(text => text.split('/')[0] === address))
      expect(having.map(card => card.mac)).toEqual([mac])
    }
  })

  test('its filter lets the addresses of the first card out', async () => {
    const path = `/nodes/pve/qemu/${vm.vmid}/firewall/ipset/ipfilter-net0`
    const set = await rootClient(lab).request<{ cidr: string }[]>('GET', path)
    expect(set.map(({ cidr }) => cidr).sort()).toEqual([first, six].sort())
  })

  test('nothing differs, and the views name the cards', async () => {
    expect(await json('apply', name)).toMatchObject([{ did: 'nothing' }])
    expect((await vms.run('reconcile', [], env)).code).toBe(0)
    const { stdout } = await vms.run('vm', ['show', name], env)
    expect(stdout).toContain(`net0: ${first} (pool default), ${six} (pool six) on vmbr0`)
    expect(stdout).toContain('net1: no address on vmbr0, VLAN 40')
    expect(stdout).toContain(`net2: ${store} (pool store) on vmbr0`)
    const check = await vms.run('registry', ['check'], env)
    expect(check.stdout).toContain('nothing is wrong')
  })

  test('what somebody changes beside it stays, and what it decides is put back without a reboot', async () => {
    const before = String((await config())['net1'])
    const net1 = `${before.replace('tag=40', 'tag=41')},link_down=1`
    await updateVmConfig(rootClient(lab), vm, { net1, net3: 'virtio,bridge=vmbr0' })
    const net3 = (await config())['net3']
    expect(await json('apply', name)).toMatchObject([
      { did: 'changed', changes: [{ what: 'net1 VLAN', from: '41', to: '40', cost: null }] },
    ])
    const after = await config()
    expect(after['net3']).toBe(net3)
    // Proxmox writes the parts in an order of its own.
    expect(String(after['net1']).split(',').sort()).toEqual([...before.split(','), 'link_down=1'].sort())
  })

  test('vm change says what other cards cost, takes a card away, and brings it back', async () => {
    const changed = (...args: string[]) => vms.run('vm', ['change', name, ...args, '--json'], env)
    const other = [...NETWORKS.slice(0, 2), '--network', 'bridge=vmbr0,vlan=41,rate=10']
    const planned = await changed(...other, '--plan-only')
    expect(planned.code, planned.stderr).toBe(0)
    expect(JSON.parse(planned.stdout).changes).toMatchObject([
      { what: 'net1 VLAN', from: '40', to: '41', costs: 'hot' },
      { what: 'net2', costs: 'device' },
    ])
    const refused = await changed(...other)
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('--allow remove')])
    const made = await changed(...other, '--allow', 'remove')
    expect(made.code, made.stderr).toBe(0)
    const { net1, net2, net3, ipconfig2 } = await config()
    expect(net1).toContain('tag=41')
    expect([net2, ipconfig2]).toEqual([undefined, undefined])
    // Somebody's own card stays.
    expect(net3).toMatch(/^virtio=/)
    const { addresses } = (await vms.registry.find(name))!
    expect(addresses!.filter(one => one.card === 2 && !one.leaving)).toEqual([])
    const back = await changed(...NETWORKS, '--allow', 'reboot')
    expect(back.code, back.stderr).toBe(0)
    expect((await config())['net2']).toMatch(/^virtio=[\dA-F:]{17},bridge=vmbr0$/)
    const held = (await vms.registry.find(name))!.addresses!.filter(one => !one.leaving)
    expect(held.map(({ card, pool }) => [card, pool])).toEqual([
      [0, 'six'],
      [2, 'store'],
    ])
    store = held[1]!.address
    expect((await config())['ipconfig2']).toBe(delivery === 'iso' ? undefined : `ip=${store}/24`)
  })

  test('destroy frees every address', async () => {
    const taken = await vms.run('vm', ['create', 'other', '--no-web3', '--network', `ip6=${six}`], env)
    expect(taken.stderr).toContain(`the address ${six} belongs to ${name}`)
    expect((await vms.run('vm', ['destroy', name, '--yes', '--allow', 'data-loss'], env)).code).toBe(0)
    expect(await vms.left()).toEqual([])
    const again = NETWORKS.map(text =>
      text.replace('pool=default,pool6=six', `ip=${first},ip6=${six}`).replace('pool=store', `ip=${store}`),
    )
    const { entry } = await json('vm', 'create', 'other', '--no-web3', ...again, '--mock')
    expect([entry.address, ...entry.addresses.map((one: { address: string }) => one.address)]).toEqual([
      first,
      six,
      store,
    ])
  })
})

test('a bridge that is not there is found before anything is reserved', async () => {
  const { code, stderr } = await vms.run(
    'vm',
    ['create', 'other', '--no-web3', '--network', '', '--network', 'bridge=vmbr9'],
    env,
  )
  expect(code).toBe(3)
  expect(stderr).toContain('node pve has no bridge vmbr9')
  expect(stderr).toContain('`bridge` of the card net1')
  expect(await vms.registry.list()).toEqual([])
})
