import { expect, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { changesIn, type Edit } from '../../../scripts/lib/vm/shape/edit.mts'
import { inheritedEdits } from '../../../scripts/lib/vm/shape/inherited.mts'
import { type Designed, pricedEdits, type Shape, shapeEdits } from '../../../scripts/lib/vm/shape/shape.mts'
import { reshape } from '../../../scripts/lib/vm/stack/reshape.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'

const network = { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null as number | null }
const net0 = 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,rate=10'
const scsi0 = 'tank:vm-100-disk-0,size=10G'
const design: Shape = { network, disk: 10, cpuType: 'host' }
const plan = (config: Record<string, string | number>, own: Partial<Shape> = {}): Edit[] =>
  shapeEdits({ ...design, ...own }, { net0, scsi0, cpu: 'host', ...config })
const words = (edits: Edit[]) => changesIn(edits).map(({ what, from, to }) => `${what} ${from} -> ${to}`)

test('a VM with the right bridge, VLAN and size is left alone', () => {
  expect(plan({})).toEqual([])
  expect(plan({ scsi0: 'tank:vm-100-disk-0,size=10752M' })).toEqual([])
})

test.each<[string, Record<string, string>, number | null, string, string]>([
  ['a VLAN is set', {}, 7, `${net0},tag=7`, 'VLAN none -> 7'],
  ['a VLAN is taken away', { net0: `${net0},tag=20,mtu=1400` }, null, `${net0},mtu=1400`, 'VLAN 20 -> none'],
  [
    'a bridge is changed in its place',
    { net0: net0.replace('vmbr0', 'vmbr9') },
    null,
    net0,
    'bridge vmbr9 -> vmbr0',
  ],
  ['a card that is gone is added', { net0: '' }, 7, 'virtio,bridge=vmbr0,tag=7', 'bridge none -> vmbr0'],
])('%s, and its other flags stay', (_, config, vlan, card, change) => {
  const edits = plan(config, { network: { ...network, vlan } })
  expect(edits.map(({ set }) => set?.['net0'])).toContain(card)
  expect(words(edits)).toContain(change)
})

test('a disk grows, and never shrinks', () => {
  expect(plan({ scsi0: 'tank:vm-100-disk-0,size=3584M' })).toEqual([
    {
      ...{ change: { what: 'disk', from: '3.5 GiB', to: '10 GiB', cost: null }, option: 'disk' },
      grow: { slot: 'scsi0', gib: 10 },
    },
  ])
  expect(plan({ scsi0: 'tank:vm-100-disk-0,size=20G' })).toEqual([])
})

test.each<[Partial<Shape>, Record<string, string | number>, string, Record<string, string>, string | null]>([
  [{ memory: 4096 }, { memory: 'current=2048' }, 'memory 2048 -> 4096', { memory: '4096' }, 'reboot'],
  [{ memory: 4096 }, {}, 'memory 512 -> 4096', { memory: '4096' }, 'reboot'],
  [
    { cpuType: 'x86-64-v3' },
    { cpu: 'host,flags=+aes' },
    'CPU type host -> x86-64-v3',
    { cpu: 'x86-64-v3,flags=+aes' },
    'reboot',
  ],
  [{ sockets: 2 }, {}, 'sockets 1 -> 2', { sockets: '2' }, 'reboot'],
  [{ cpuLimit: 1.5 }, { cpulimit: 2 }, 'cpu limit 2 -> 1.5', { cpulimit: '1.5' }, null],
  [{ protection: true }, {}, 'protection off -> on', { protection: '1' }, null],
  [{ protection: false }, { protection: 1 }, 'protection on -> off', { protection: '0' }, null],
  [
    { startOrder: 'order=2' },
    { startup: 'order=1' },
    'start order order=1 -> order=2',
    { startup: 'order=2' },
    null,
  ],
])('%j of a VM with %j', (own, config, text, set, cost) => {
  const edits = plan(config, own)
  expect(words(edits)).toEqual([text])
  expect(edits[0]).toMatchObject({ set, change: { cost } })
})

test('what the design does not decide stays', () => {
  expect(plan({ sockets: 4, cpulimit: 2, numa: 1, startup: 'order=1', protection: 1 })).toEqual([])
  expect(plan({ sockets: 2, protection: 1 }, { sockets: 2, protection: true })).toEqual([])
})

test('a new VM with a seed ISO keeps no addresses of its VM template, and one with a snippet does', () => {
  const config = { ipconfig0: 'ip=dhcp', ipconfig2: 'ip=10.0.0.5/24', nameserver: '1.1.1.1' }
  const keysOf = (delivery: 'iso' | 'snippet') =>
    inheritedEdits({ cloudInit: { delivery } as VmDesign['cloudInit'] }, config).flatMap(
      ({ remove = [] }) => remove,
    )
  expect(keysOf('iso')).toEqual(['ipconfig0', 'ipconfig2'])
  expect(keysOf('snippet')).toEqual([])
})

test('a VM that is off is not rebooted', () => {
  const vm = { ...entry('web-1'), design: { ...design, sockets: 2 } } as Designed
  const [edit] = pricedEdits(vm, { net0, scsi0, cpu: 'host' }, undefined)
  expect(edit).toMatchObject({ set: { sockets: '2' }, change: { cost: null } })
})

const card: Edit = { change: { what: 'VLAN', from: 'none', to: '7', cost: null }, set: { net0 } }
const disk: Edit = {
  change: { what: 'disk', from: '1', to: '20', cost: null },
  grow: { slot: 'scsi0', gib: 20 },
}

test.each<[string, Edit[], (string | undefined)[]]>([
  ['a disk alone', [disk], ['d1']],
  // The change of the card is refused if the digest differs, and makes a new one.
  ['a card, then a disk', [card, disk], ['d1', undefined]],
])('%s: changed only if the config is the one that was read', async (_, edits, digests) => {
  const { sent } = await reshaped(edits, false)
  expect(sent.map(({ parameters }) => parameters?.['digest'])).toEqual(digests)
})

test.each([
  [true, 1],
  [false, 0],
])('a change that costs a reboot, of a VM that runs: %s', async (runs, reboots) => {
  const reboot: Edit = { ...card, change: { ...card.change, cost: 'reboot' } }
  const { sent } = await reshaped([reboot, { ...card, remove: ['net1', 'net2'] }], runs)
  expect(sent[0]?.parameters).toMatchObject({ net0, delete: 'net1,net2' })
  expect(sent.filter(({ path }) => path.endsWith('/status/reboot'))).toHaveLength(reboots)
})

async function reshaped(edits: Edit[], runs: boolean) {
  const sent: { path: string; parameters: Record<string, unknown> | undefined }[] = []
  const request: ProxmoxClient['request'] = async (_method, path, parameters) => {
    sent.push({ path, parameters })
    if (path.includes('/tasks/')) return { status: 'stopped', exitstatus: 'OK' } as never
    return (path.endsWith('/reboot') ? 'UPID:pve:0:0:0:qmreboot:100:a@pve:' : null) as never
  }
  const client = { request } as ProxmoxClient
  const vm = { node: 'pve', vmid: 100 }
  await reshape(client, vm, edits, { config: { digest: 'd1' }, runs, timeoutMs: 1000 })
  return { sent }
}

const detached: Edit = {
  change: { what: 'disk data', from: '1 GiB', to: 'detached', cost: 'remove' },
  remove: ['scsi1'],
  off: true,
}

test('high availability would cut the power of a slow guest: it is not asked to', async () => {
  const sent: string[] = []
  const request: ProxmoxClient['request'] = async method => {
    sent.push(method)
    return { status: 'running', ha: { managed: 1 } } as never
  }
  const vm = { node: 'pve', vmid: 100 }
  const reshaping = { config: { digest: 'd1' }, runs: true, timeoutMs: 1000 }
  const failure = await failureOf(() => reshape({ request } as ProxmoxClient, vm, [detached], reshaping))
  expect(failure.hint).toContain('zx scripts/vm.mts stop NAME --hard')
  expect(sent).toEqual(['GET'])
})

test('what a running machine must not see is made while the VM is off, with the digest that it has then', async () => {
  const sent: string[] = []
  const request: ProxmoxClient['request'] = async (method, path, parameters) => {
    if (path.includes('/tasks/')) return { status: 'stopped', exitstatus: 'OK' } as never
    const { digest, delete: remove } = (parameters ?? {}) as Record<string, unknown>
    sent.push([method, path.split('/qemu/100/')[1], remove, digest].filter(Boolean).join(' '))
    if (path.endsWith('/current')) return { status: 'stopped' } as never
    if (method === 'GET') return { scsi1: 'a', digest: 'd2' } as never
    return (method === 'POST' ? 'UPID:pve:0:0:0:qm:100:a@pve:' : null) as never
  }
  const config = { scsi1: 'a', digest: 'd1' }
  const vm = { node: 'pve', vmid: 100 }
  await reshape({ request } as ProxmoxClient, vm, [detached], { config, runs: true, timeoutMs: 1000 })
  expect(sent).toEqual([
    'GET status/current',
    'POST status/shutdown',
    'GET status/current',
    'GET config',
    'PUT config scsi1 d2',
    'POST status/start',
  ])
})

test('a VM whose entry has only the keys of long ago is left alone', () => {
  const of = (config: Record<string, string>, cpuType?: string) => {
    const old = entry('web-1', {
      ...{ vmid: 100, node: 'pve', purpose: 'shop' },
      design: {
        ...{ template: { vmid: 9000, node: 'pve' }, storage: 'tank', cores: 2, memory: 2048, disk: 10 },
        ...{
          network,
          tags: ['proxmint-test'],
          agentTimeout: '10m',
          access: null,
          ...(cpuType && { cpuType }),
        },
        cloudInit: {
          ...{ template: 'devbox', delivery: 'iso', storage: 'local', username: 'admin' },
          sshAuthorizedKeys: [],
        },
      },
    })
    const present = {
      ...{ net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0', scsi0, cores: 2, memory: '2048', balloon: 0 },
      ...{ tags: 'proxmint-test', description: `shop\nMade by proxmint. Entry ${old.id}.`, onboot: 1 },
      ...config,
    }
    return [undefined, present].flatMap(running => pricedEdits(old as Designed, present, running))
  }
  expect(of({ cpu: 'qemu64' })).toEqual([])
  expect(of({ cpu: 'host' }, 'host')).toEqual([])
  // What somebody added in Proxmox stays.
  const added = { net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr1', scsi1: 'tank:vm-100-disk-1,size=4G' }
  expect(of({ cpu: 'qemu64', ...added, hostpci0: 'mapping=gpu', ipconfig0: 'ip=10.0.0.5/24' })).toEqual([])
})
