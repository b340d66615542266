/**
 * Somebody changes a VM by hand in Proxmox, and somebody else wishes it otherwise. What the plan says of each change is what
 * the lab then does: `pending`, the log of tasks, and the devices tell.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT_TOKEN, startLab, type TestLab } from '../../../lab/test/pve/client.mts'
import { type ProxmoxClient, tokenClient } from '../../../scripts/lib/proxmox/client.mts'
import { getRunningConfig, getVmConfig, type VmConfig } from '../../../scripts/lib/proxmox/get-vm-config.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { Edit } from '../../../scripts/lib/vm/shape/edit.mts'
import { type Designed, pricedEdits } from '../../../scripts/lib/vm/shape/shape.mts'
import { reshape } from '../../../scripts/lib/vm/stack/reshape.mts'
import { randomFrom } from '../../random.mts'
import { entry } from '../registry/entries.mts'

const ROUNDS = 100
const seed = Number(process.env['PROXMINT_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
const vm = { node: 'pve', vmid: 100 }

let lab: TestLab
let client: ProxmoxClient

beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [{ id: 'tank', type: 'dir', content: ['images'] }],
    },
  })
  const { url, caFile } = lab.server
  client = tokenClient({ url, caFile }, { user: 'root@pam', tokenId: 'test', tokenSecret: ROOT_TOKEN })
}, 60_000)
afterAll(() => lab?.close())

const random = randomFrom(seed)
const oneOf = <T,>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
const some = <T,>(values: readonly T[], chance: number): T[] => values.filter(() => random() < chance)

/** Values of options of Proxmox that a person may set by hand; undefined removes the option. */
const BY_HAND: Record<string, readonly (string | number | undefined)[]> = {
  cores: [1, 2, 4],
  sockets: [1, 2, undefined],
  cpuunits: [100, 512, undefined],
  cpulimit: [0, 1.5, undefined],
  numa: [0, 1],
  cpu: ['host', 'x86-64-v2-AES,flags=+aes'],
  memory: [2048, 3072, 4096],
  balloon: [0, 1024, undefined],
  startup: ['order=3', undefined],
  protection: [0, 1],
  searchdomain: ['lan.example', undefined],
  tags: ['proxmint-test', 'proxmint-test;jane', 'wallet-old;proxmint-test'],
  hotplug: ['1', '0', 'network,disk,usb,memory', 'disk', undefined],
  net1: ['virtio=BC:24:11:00:00:02,bridge=vmbr0', undefined],
  net0: [
    'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1',
    'virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=5',
    'e1000=BC:24:11:00:00:01,bridge=vmbr0,mtu=1400',
  ],
  description: ['somebody else'],
  agent: ['1', '1,fstrim_cloned_disks=1'],
}

const WISHES: Record<string, readonly unknown[]> = {
  cores: [1, 2, 4],
  sockets: [1, 2],
  cpuUnits: [100, 256],
  cpuLimit: [0, 2],
  numa: [true, false],
  cpuType: ['host', 'x86-64-v3'],
  memory: [2048, 4096, 8192],
  balloon: [0, 1024, 2048],
  startOrder: ['order=1', 'order=2,up=30'],
  protection: [true, false],
  disk: [10, 12, 14],
  tags: [['proxmint-test'], ['proxmint-test', 'web']],
}

const usual = {
  ...entry('web-1'),
  design: {
    cpuType: 'host',
    disk: 10,
    tags: ['proxmint-test'],
    network: { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null as number | null },
  },
} as unknown as Designed

async function byHand(): Promise<string[]> {
  const chosen = some(Object.keys(BY_HAND), 0.25)
  const values = chosen.map(key => [key, oneOf(BY_HAND[key]!)] as const)
  for (const [key, value] of values) {
    const text = key === 'description' ? `${value}\n\n${descriptionOf(usual)}` : value
    // Proxmox may refuse one, such as a balloon that is larger than the memory.
    await lab.call('PUT', path('config'), text === undefined ? { delete: key } : { [key]: text })
  }
  return values.map(([key, value]) => `${key}=${value}`)
}

function wish(): Designed {
  const chosen = some(Object.keys(WISHES), 0.4)
  const design = Object.fromEntries(chosen.map(key => [key, oneOf(WISHES[key]!)]))
  const network = { ...usual.design.network, bridge: oneOf(['vmbr0', 'vmbr1']), vlan: oneOf([null, 7]) }
  const cloudInit = random() < 0.3 ? { searchDomain: 'example.com' } : {}
  return { ...usual, design: { ...usual.design, ...design, cloudInit, network } } as Designed
}

const path = (part: string) => `/nodes/pve/qemu/100/${part}`
type Waiting = { key: string; pending?: unknown; delete?: number }
const waiting = async (): Promise<string[]> =>
  ((await lab.get(path('pending'))).data as Waiting[])
    .filter(one => one.pending !== undefined || one.delete !== undefined)
    .map(({ key }) => key)
const tasks = async (): Promise<string[]> =>
  ((await lab.get('/nodes/pve/tasks?limit=5000')).data as { upid: string }[]).map(({ upid }) => upid)
const volumes = async (): Promise<string[]> =>
  ((await lab.get('/nodes/pve/storage/tank/content')).data as { volid: string }[]).map(({ volid }) => volid)
const devicesOf = (config: VmConfig): string[] =>
  Object.keys(config).filter(key => /^(net|scsi|ide|usb)\d+$/.test(key))

const keysOf = (edits: readonly Edit[]): string[] =>
  edits.flatMap(({ set = {}, remove = [] }) => [...Object.keys(set), ...remove])

/** Makes the edits as a run that does not reboot, and says what waits then. */
async function made(edits: Edit[], config: VmConfig): Promise<string[]> {
  await reshape(client, vm, edits, { config, runs: false, timeoutMs: 10_000 })
  return waiting()
}

test(`the words of ${ROUNDS} plans are what happens then (PROXMINT_TEST_SEED=${seed})`, async () => {
  const body = { vmid: 100, cores: 2, memory: 2048, numa: 1, cpu: 'host', scsi0: 'tank:10', agent: 1 }
  const net0 = 'virtio=BC:24:11:00:00:01,bridge=vmbr0'
  const own = { net0, tags: 'proxmint-test', description: descriptionOf(usual), ostype: 'l26' }
  expect(await lab.task('POST', '/nodes/pve/qemu', { ...body, ...own })).toBe('OK')
  expect(await lab.task('POST', path('status/start'))).toBe('OK')
  const seen = new Set<string>()
  for (let round = 0; round < ROUNDS; round++) {
    const hand = await byHand()
    const wanted = wish()
    const config = await getVmConfig(client, vm)
    const running = await getRunningConfig(client, vm)
    if (isRefused(wanted, config, running)) continue
    const edits = pricedEdits(wanted, config, running)
    const where = `seed ${seed}, round ${round}: ${hand.join(' ')}; ${JSON.stringify(wanted.design)}`
    const [volumesBefore, tasksBefore, waitingBefore] = [await volumes(), await tasks(), await waiting()]
    const late = await made(edits, config)
    const expected = (effect: Edit['effect']) => keysOf(edits.filter(edit => edit.effect === effect))
    const reboots = edits.filter(({ effect }) => effect === 'reboot')
    for (const { effect, change } of edits) {
      seen.add(effect!)
      expect(change.cost, `${where}: ${change.what}`).toBe(effect === 'reboot' ? 'reboot' : null)
    }
    expect(
      expected('reboot').filter(key => !late.includes(key)),
      where,
    ).toEqual([])
    const hot = [...expected('hot'), ...expected('nothing')].filter(key => !expected('reboot').includes(key))
    // What somebody else's change waits for, waits on.
    expect(
      hot.filter(key => late.includes(key) && !waitingBefore.includes(key)),
      where,
    ).toEqual([])
    expect(reboots.length > 0 && late.length === 0, where).toBe(false)
    // Nothing that somebody made is gone: no edit of this wish says so.
    const after = await getVmConfig(client, vm)
    expect(devicesOf(after), where).toEqual(expect.arrayContaining(devicesOf(config)))
    expect(await volumes(), where).toEqual(volumesBefore)
    const types = (await tasks()).filter(upid => !tasksBefore.includes(upid)).map(upid => upid.split(':')[5])
    expect(
      types.filter(type => type !== 'resize'),
      where,
    ).toEqual([])
    await finish(wanted, reboots, where)
  }
  expect([...seen].sort()).toEqual(['hot', 'nothing', 'reboot'])
}, 600_000)

/** Proxmox starts no such VM, or takes no such value; neither is a plan's to foresee here. */
function isRefused({ design }: Designed, config: VmConfig, running: VmConfig): boolean {
  const memory = design.memory ?? Number(config['memory'])
  const balloon = design.balloon ?? Number(config['balloon'] ?? 0)
  const [numa, hotplug] = [design.numa ?? config['numa'] === 1, String(config['hotplug'] ?? '')]
  const isPlugged = /memory/.test(hotplug) && (!numa || Number(config['memory']) % 512 !== 0)
  return balloon > memory || isPlugged || (/memory/.test(String(running['hotplug'])) && memory < 1024)
}

/** A run that may reboot finds only what waits, and leaves nothing of it. */
async function finish(wanted: Designed, reboots: Edit[], where: string): Promise<void> {
  const config = await getVmConfig(client, vm)
  const left = pricedEdits(wanted, config, await getRunningConfig(client, vm))
  expect(left.map(({ change }) => change.what).sort(), where).toEqual(
    reboots.map(({ change }) => change.what).sort(),
  )
  expect(keysOf(left), where).toEqual([])
  const before = await tasks()
  await reshape(client, vm, left, { config, runs: true, timeoutMs: 30_000 })
  const types = (await tasks()).filter(upid => !before.includes(upid)).map(upid => upid.split(':')[5])
  expect(types, where).toEqual(left.length > 0 ? ['qmreboot'] : [])
  if (left.length > 0) expect(await waiting(), where).toEqual([])
  const now = await getVmConfig(client, vm)
  expect(pricedEdits(wanted, now, await getRunningConfig(client, vm)), where).toEqual([])
}
