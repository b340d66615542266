import { expect, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { ProxmoxApiError } from '../../../scripts/lib/proxmox/errors.mts'
import { partsOf } from '../../../scripts/lib/vm/look/parts.mts'
import { requireDataDisks } from '../../../scripts/lib/vm/plan/data-disks.mts'
import { nodesWithDevices, requireDevices, requireDevicesOn } from '../../../scripts/lib/vm/plan/devices.mts'
import { deviceEdits, withDevicesIn } from '../../../scripts/lib/vm/shape/devices.mts'
import { changesIn } from '../../../scripts/lib/vm/shape/edit.mts'
import { failureOf } from '../failure.mts'

const gpu = { pci: 'gpu' }
const key = { usb: 'key' }
const words = (...edits: Parameters<typeof deviceEdits>) =>
  changesIn(deviceEdits(...edits)).map(({ what, from, to, cost }) => `${what}: ${from} -> ${to}, ${cost}`)
const settings = (...edits: Parameters<typeof deviceEdits>) =>
  Object.assign({}, ...deviceEdits(...edits).map(({ set }) => set))

test('devices that are missing get free slots: PCI at a reboot, USB at once', () => {
  const config = { hostpci0: '0000:01:00.0', usb1: 'spice' }
  const design = { devices: [{ ...gpu, pcie: true }, { pci: 'nic' }, key] }
  expect(words(design, config)).toEqual([
    'device pci gpu: none -> hostpci1, reboot',
    'device pci nic: none -> hostpci2, reboot',
    'device usb key: none -> usb0, null',
  ])
  expect(settings(design, config)).toEqual({
    hostpci1: 'mapping=gpu,pcie=1',
    hostpci2: 'mapping=nic',
    usb0: 'mapping=key',
  })
})

test('a device that is there is left alone, in whatever slot', () => {
  const config = { hostpci3: 'mapping=gpu,rombar=0', usb4: 'mapping=key' }
  expect(deviceEdits({ devices: [gpu, key] }, config)).toEqual([])
  expect(settings({ devices: [{ ...gpu, pcie: true }] }, config)).toEqual({
    hostpci3: 'mapping=gpu,rombar=0,pcie=1',
  })
})

test('one that is taken off the list is removed; a PCI device with the VM powered off', () => {
  const config = { hostpci0: 'mapping=gpu', usb0: 'mapping=key' }
  expect(deviceEdits({ devices: [], ownDevices: ['pci gpu', 'usb key'] }, config)).toEqual([
    {
      change: { what: 'device pci gpu', from: 'hostpci0', to: 'none', cost: 'remove' },
      option: 'devices',
      remove: ['hostpci0'],
      off: true,
    },
    {
      change: { what: 'device usb key', from: 'usb0', to: 'none', cost: 'remove' },
      option: 'devices',
      remove: ['usb0'],
    },
  ])
})

test('a mapped device of somebody stays, and is somebody’s', () => {
  const config = { hostpci0: 'mapping=gpu', hostpci1: 'mapping=nic' }
  expect(deviceEdits({ devices: [gpu] }, config)).toEqual([])
  const { foreignDevices } = partsOf(config, { made: [], added: { devices: [gpu] }, volumes: [] })
  expect(foreignDevices.map(({ slot }) => slot)).toEqual(['hostpci1'])
})

test('the devices that a VM got are written down, and forgotten when they are gone', () => {
  const config = { hostpci0: 'mapping=gpu' }
  expect(withDevicesIn({ devices: [gpu, key] }, config)).toMatchObject({ ownDevices: ['pci gpu'] })
  expect(withDevicesIn({ devices: [], ownDevices: ['pci gpu'] }, {})).toMatchObject({ ownDevices: [] })
  expect(withDevicesIn({}, config)).toEqual({})
})

test.each([
  [[{}], 'one names a PCI mapping or a USB mapping'],
  [[{ ...gpu, ...key }], 'one names a PCI mapping or a USB mapping'],
  [[gpu, gpu], 'pci gpu is there twice'],
  [[{ ...key, pcie: true }], 'usb key has pcie'],
])('%j is refused: %s', async (devices, text) => {
  expect((await failureOf(() => requireDevices('web-1', devices))).message).toContain(text)
})

test.each([
  [
    [
      { name: 'a', size: 1 },
      { name: 'a', size: 2 },
    ],
    'two are named a',
  ],
  [
    [
      { name: 'a', size: 1, mount: '/x' },
      { name: 'b', size: 2, mount: '/x' },
    ],
    'two are mounted on /x',
  ],
  [[{ name: 'a', size: 1, filesystem: 'xfs' as const }], 'a has a file system and no folder'],
])('disks %j are refused: %s', async (disks, text) => {
  expect((await failureOf(() => requireDataDisks('web-1', disks))).message).toContain(text)
})

const mappings: Record<string, string[]> = {
  '/cluster/mapping/pci/gpu': [
    'id=10de:1,node=pve1,path=0000:01:00.0',
    'id=10de:1,node=pve2,path=0000:02:00.0',
  ],
  '/cluster/mapping/usb/key': ['id=1:2,node=pve2', 'id=1:2,node=pve3'],
}
const client = {
  request: async (method: string, path: string) => {
    if (mappings[path] !== undefined) return { id: 'x', map: mappings[path] }
    throw new ProxmoxApiError({
      method,
      path,
      identity: 'a@pve',
      status: 500,
      reason: "mapping 'no' not found",
      body: '',
    })
  },
} as unknown as ProxmoxClient

test('a node must have all devices', async () => {
  expect(await nodesWithDevices(client, [gpu, key])).toEqual(new Set(['pve2']))
  expect(await nodesWithDevices(client)).toBeUndefined()
  await requireDevicesOn(client, 'pve2', [gpu, key])
  expect(await failureOf(() => requireDevicesOn(client, 'pve1', [gpu, key]))).toMatchObject({
    message: 'node pve1 has no device of the mapping usb key',
    facts: { 'nodes that have one': 'pve2, pve3' },
  })
})

test('a mapping that is not there is named', async () => {
  const failure = await failureOf(() => nodesWithDevices(client, [{ pci: 'no' }]))
  expect(failure.message).toBe('there is no resource mapping no of PCI devices')
})
