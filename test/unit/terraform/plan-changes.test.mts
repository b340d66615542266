import { describe, expect, test } from 'vitest'
import { type Cost, changesText, requireAllowed } from '../../../scripts/lib/terraform/costs.mts'
import { changesOf } from '../../../scripts/lib/terraform/plan-changes.mts'
import { failureOf } from '../failure.mts'

/** A VM that runs, as the provider has it in a plan. */
const vm = {
  id: '100',
  name: 'web-1',
  description: 'Made by proxmint.',
  tags: ['proxmint-test', 'web'],
  started: true,
  on_boot: true,
  hotplug: 'network,disk,usb',
  agent: [{ enabled: true, timeout: '10m', trim: false, type: 'virtio', wait_for_ip: [] }],
  cpu: [{ cores: 2, type: 'x86-64-v2-AES', flags: [] }],
  memory: [{ dedicated: 2048, floating: 0 }],
  disk: [{ interface: 'scsi0', path_in_datastore: 'vm-100-disk-0', size: 10, serial: '', speed: [] }],
  network_device: [{ bridge: 'vmbr0', firewall: false, mtu: 0 }],
  initialization: [
    { datastore_id: 'tank', ip_config: [{ ipv4: [{ address: '10.0.0.5/24', gateway: null }] }] },
  ],
  cdrom: [],
  machine: '',
}
const to = (changes: object, from: object = vm) => ({
  before: { ...vm, ...from },
  after: { ...vm, ...from, ...changes },
})
const found = (changes: object, from?: object) =>
  changesOf('web-1', to(changes, from)).map(change => [changesText([change]), change.cost])

test('a plan without a difference has no changes, also where empty values are written otherwise', () => {
  expect(found({})).toEqual([])
  expect(found({ tags: ['web', 'proxmint-test'], machine: null, cdrom: null })).toEqual([])
  expect(found({ network_device: [{ bridge: 'vmbr0', firewall: null, mtu: null }] })).toEqual([])
})

test.each<[string, object, [string, Cost | null]]>([
  ['memory', { memory: [{ dedicated: 4096, floating: 0 }] }, ['memory 2048 -> 4096', 'reboot']],
  ['cores', { cpu: [{ cores: 4, type: 'x86-64-v2-AES', flags: [] }] }, ['cores 2 -> 4', 'reboot']],
  [
    'CPU type',
    { cpu: [{ cores: 2, type: 'host', flags: [] }] },
    ['CPU type x86-64-v2-AES -> host', 'reboot'],
  ],
  ['tags', { tags: ['proxmint-test'] }, ['tags proxmint-test web -> proxmint-test', null]],
  ['name', { name: 'web-2' }, ['name web-1 -> web-2', null]],
  ['start at boot', { on_boot: false }, ['start at boot on -> off', null]],
  ['power', { started: false }, ['power on -> off', 'reboot']],
  [
    'a larger disk',
    { disk: [{ interface: 'scsi0', path_in_datastore: 'vm-100-disk-0', size: 12, serial: '', speed: [] }] },
    ['disk in GiB 10 -> 12', null],
  ],
  [
    'another address',
    { initialization: [{ datastore_id: 'tank', ip_config: [{ ipv4: [{ address: '10.0.0.6/24' }] }] }] },
    ['address 10.0.0.5/24 -> 10.0.0.6/24', 'reboot'],
  ],
])('%s', (_, changes, change) => {
  expect(found(changes)).toEqual([change])
})

describe('what is removed', () => {
  test('a card costs `remove`', () => {
    const cards = { network_device: [...vm.network_device, { bridge: 'vmbr1', firewall: true, mtu: 0 }] }
    expect(found({ network_device: vm.network_device }, cards)).toContainEqual([
      'network card 1 -> none',
      'remove',
    ])
  })

  test('a disk costs `data-loss`, whatever its place in the list', () => {
    const second = { ...vm.disk[0]!, interface: 'scsi1', path_in_datastore: 'vm-100-disk-1' }
    expect(found({ disk: vm.disk }, { disk: [second, ...vm.disk] })).toContainEqual([
      'disk scsi1 -> none',
      'data-loss',
    ])
    expect(
      found({ disk: [second, ...vm.disk] }, { disk: [...vm.disk, second] }).map(([, cost]) => cost),
    ).not.toContain('data-loss')
  })
})

test('a VM that is off is not rebooted', () => {
  expect(found({ memory: [{ dedicated: 4096 }], started: true }, { started: false })).toEqual([
    ['power off -> on', null],
    ['memory 2048 -> 4096', null],
  ])
})

test('memory is added without a reboot only if the VM takes it', () => {
  const hot = { hotplug: 'network,disk,memory' }
  expect(found({ memory: [{ dedicated: 4096, floating: 0 }] }, hot)).toEqual([['memory 2048 -> 4096', null]])
  expect(found({ memory: [{ dedicated: 1024, floating: 0 }] }, hot)).toEqual([
    ['memory 2048 -> 1024', 'reboot'],
  ])
})

test('what the provider alone has, or only reports, is no change of the VM', () => {
  const planned = {
    ...to({ timeout_create: 5, clone: [{ retries: 1 }] }, { timeout_create: 9, clone: [{ retries: 3 }] }),
    after_unknown: { ipv4_addresses: true, id: false },
  }
  expect(changesOf('web-1', planned)).toEqual([])
})

test.each([
  ['bios', { bios: 'ovmf' }, 'bios: none -> ovmf'],
  ['hostpci', { hostpci: [{ device: 'hostpci0', id: '0000:01:00.0' }] }, 'hostpci.device: none -> hostpci0'],
  ['memory.floating', { memory: [{ dedicated: 2048, floating: 512 }] }, 'memory.floating: 0 -> 512'],
  [
    'one of a card',
    { network_device: [{ ...vm.network_device[0], host_managed: true }] },
    'network_device.host_managed: none -> true',
  ],
  ['one of a disk', { disk: [{ ...vm.disk[0], import_from: 'a' }] }, 'disk.import_from: none -> a'],
  [
    'one of cloud-init',
    { initialization: [{ ...vm.initialization[0], swap: '1G' }] },
    'initialization.swap: none -> 1G',
  ],
  ['node_name', { node_name: 'pve2' }, 'node_name: none -> pve2'],
])('an attribute that is not known is refused by name: %s', async (_, changes, words) => {
  const failure = await failureOf(async () => changesOf('web-1', to(changes)))
  expect(failure).toMatchObject({
    message: 'the plan for web-1 changes what proxmint does not manage',
    facts: { attributes: expect.stringContaining(words) },
    exitCode: 3,
  })
})

test('one that is known only after the apply is refused, too', async () => {
  const failure = await failureOf(async () =>
    changesOf('web-1', { ...to({}), after_unknown: { machine_id: true } }),
  )
  expect(failure.message).toBe('the plan for web-1 changes what proxmint does not manage')
})

describe('an agreement', () => {
  const changes = changesOf('web-1', to({ memory: [{ dedicated: 4096, floating: 0 }], name: 'web-2' }))
  const agreed = (...costs: Cost[]) => ({ allowed: new Set(costs), again: 'zx scripts/apply.mts web-1' })

  test('that is missing is refused with each change and the words it needs', async () => {
    expect(await failureOf(async () => requireAllowed('web-1', changes, agreed('remove')))).toMatchObject({
      message: 'web-1 was not changed: nobody agreed to a reboot (memory 2048 -> 4096)',
      facts: { changes: 'name web-1 -> web-2, memory 2048 -> 4096' },
      hint: 'to agree: zx scripts/apply.mts web-1 --allow reboot',
      exitCode: 3,
    })
  })

  test('that was given lets the changes pass', () => {
    expect(() => requireAllowed('web-1', changes, agreed('reboot'))).not.toThrow()
  })
})
