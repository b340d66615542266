/** Data disks and devices of a VM on the lab's Proxmox: what plans say of them, what Proxmox then has, and what is written down. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT_TOKEN, startLab, type TestLab } from '../../../lab/test/pve/client.mts'
import { type ProxmoxClient, tokenClient } from '../../../scripts/lib/proxmox/client.mts'
import { getRunningConfig, getVmConfig } from '../../../scripts/lib/proxmox/get-vm-config.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import { withDisksIn } from '../../../scripts/lib/vm/shape/data-disks.mts'
import { withDevicesIn } from '../../../scripts/lib/vm/shape/devices.mts'
import { changesIn } from '../../../scripts/lib/vm/shape/edit.mts'
import { type Designed, pricedEdits } from '../../../scripts/lib/vm/shape/shape.mts'
import { reshape } from '../../../scripts/lib/vm/stack/reshape.mts'
import { entry } from '../registry/entries.mts'

const vm = { node: 'pve', vmid: 100 }
let lab: TestLab
let client: ProxmoxClient

beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [
        { id: 'tank', type: 'dir', content: ['images'] },
        { id: 'fast', type: 'dir', content: ['images'] },
      ],
    },
  })
  const { url, caFile } = lab.server
  client = tokenClient({ url, caFile }, { user: 'root@pam', tokenId: 'test', tokenSecret: ROOT_TOKEN })
  await lab.call('POST', '/cluster/mapping/pci', {
    id: 'gpu',
    map: 'id=10de:1eb8,node=pve,path=0000:01:00.0',
  })
  await lab.call('POST', '/cluster/mapping/usb', { id: 'key', map: 'id=1050:0407,node=pve' })
  await task('POST', '/nodes/pve/qemu', {
    ...{ vmid: 100, name: 'web-1', description: descriptionOf(web), tags: 'proxmint-test', cpu: 'host' },
    ...{ scsihw: 'virtio-scsi-single', scsi0: 'tank:10', net0: 'virtio,bridge=vmbr0', ostype: 'l26' },
  })
}, 200_000)
afterAll(() => lab?.close())

let web = {
  ...entry('web-1'),
  design: {
    ...{ cpuType: 'host', disk: 10, tags: ['proxmint-test'], storage: 'tank' },
    network: { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null },
  },
} as unknown as Designed

async function task(method: string, path: string, parameters: Record<string, string | number> = {}) {
  await lab.task(method as 'POST', path, parameters)
}

const running = async () =>
  (await client.request<{ status: string }>('GET', '/nodes/pve/qemu/100/status/current')).status === 'running'

/** Compares, makes what differs, and writes down what is there then, as `apply` does. @returns what was said of it. */
async function applied(design: Partial<Designed['design']>): Promise<string[]> {
  web = { ...web, design: { ...web.design, ...design } }
  const config = await getVmConfig(client, vm)
  const runs = await running()
  const edits = pricedEdits(web, config, runs ? await getRunningConfig(client, vm) : undefined)
  await reshape(client, vm, edits, { config, runs, timeoutMs: 20_000 })
  const now = await getVmConfig(client, vm)
  web = { ...web, design: withDevicesIn(withDisksIn(web.design, now, 1), now) }
  expect(pricedEdits(web, now, runs ? await getRunningConfig(client, vm) : undefined)).toEqual([])
  return changesIn(edits).map(({ what, from, to, cost }) => `${what}: ${from} -> ${to}, ${cost}`)
}

const data = { name: 'data', size: 2, discard: true }
const logs = { name: 'logs', size: 1, storage: 'fast', backup: false }

test('disks and devices are made with what was decided about them', async () => {
  expect(await applied({ disks: [data, logs], devices: [{ pci: 'gpu' }] })).toEqual([
    'disk data: none -> 2 GiB, null',
    'disk logs: none -> 1 GiB, null',
    'device pci gpu: none -> hostpci0, null',
  ])
  expect(await getVmConfig(client, vm)).toMatchObject({
    scsi1: 'tank:100/vm-100-disk-1.raw,discard=on,iothread=1,serial=data,size=2G',
    scsi2: 'fast:100/vm-100-disk-0.raw,backup=0,iothread=1,serial=logs,size=1G',
    hostpci0: 'mapping=gpu',
  })
  expect(web.design).toMatchObject({
    dataDisks: {
      data: { volume: 'tank:100/vm-100-disk-1.raw' },
      logs: { volume: 'fast:100/vm-100-disk-0.raw' },
    },
    ownDevices: ['pci gpu'],
  })
})

test('a VM that runs gets a disk and a USB device at once, and a disk grows', async () => {
  await task('POST', '/nodes/pve/qemu/100/status/start')
  const more = { name: 'more', size: 1 }
  const words = await applied({
    disks: [{ ...data, size: 3 }, logs, more],
    devices: [{ pci: 'gpu' }, { usb: 'key' }],
  })
  expect(words).toEqual([
    'disk data: 2 GiB -> 3 GiB, null',
    'disk more: none -> 1 GiB, null',
    'device usb key: none -> usb0, null',
  ])
  expect(await getRunningConfig(client, vm)).toMatchObject({
    scsi1: expect.stringContaining('size=3G'),
    scsi3: expect.stringContaining('serial=more'),
    usb0: 'mapping=key',
  })
})

test('what is taken off the list goes with the VM powered off; the volume stays, and comes back', async () => {
  const volume = web.design.dataDisks!['more']!.volume
  expect(await applied({ disks: web.design.disks!.slice(0, 2), devices: [] })).toEqual([
    expect.stringMatching(/^disk more: 1 GiB -> detached, remove$/),
    'device pci gpu: hostpci0 -> none, remove',
    'device usb key: usb0 -> none, remove',
    'power: on -> off and on again, reboot',
  ])
  const config = await getVmConfig(client, vm)
  expect(config).toMatchObject({ unused0: volume })
  for (const key of ['scsi3', 'hostpci0', 'usb0']) expect(config).not.toHaveProperty(key)
  expect(await running()).toBe(true)
  const again = [...web.design.disks!, { name: 'more', size: 1 }]
  expect(await applied({ disks: again })).toEqual(['disk more: detached -> 1 GiB, null'])
  expect((await getVmConfig(client, vm))['scsi3']).toContain(`${volume},`)
  expect(web.design.dataDisks!['more']!.volume).toBe(volume)
})

test('a disk that somebody moved to another storage is the same disk there', async () => {
  await task('POST', '/nodes/pve/qemu/100/status/stop')
  await task('POST', '/nodes/pve/qemu/100/move_disk', { disk: 'scsi1', storage: 'fast', delete: 1 })
  expect(await applied({})).toEqual([])
  expect(web.design.disks![0]).toMatchObject({ name: 'data', storage: 'fast' })
  expect(web.design.dataDisks!['data']!.volume).toMatch(/^fast:/)
})
