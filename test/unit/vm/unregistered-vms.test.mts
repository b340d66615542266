import { expect, onTestFinished, test, vi } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { addressesIn } from '../../../scripts/lib/vm/look/config-addresses.mts'
import { unregisteredVms } from '../../../scripts/lib/vm/plan/unregistered-vms.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeVm, fakeProxmox } from './fake-proxmox.mts'

const vm = (name: string, config: Record<string, string> = {}): FakeVm => ({
  node: 'pve',
  status: 'running',
  config: { name, tags: 'proxmint-test', ...config },
})

async function contextOf(vms: Record<number, FakeVm>) {
  const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([entry('web-1', { vmid: 150 })], [])
  const { connection, questions } = fakeProxmox(vms)
  return { context: { store, connection, checks: connection } as unknown as VmContext, questions }
}

test('VMs of this site that the registry does not know, with their addresses', async () => {
  const { context } = await contextOf({
    150: vm('web-1'),
    151: vm('lost', { ipconfig0: 'ip=192.168.122.201/24,gw=192.168.122.1,ip6=2001:DB8::0005/64' }),
    152: vm('other', { tags: 'proxmint-office' }),
    9001: vm('debian-20261105-0a1b2c3d'),
    9901: vm('base'),
  })
  expect(await unregisteredVms(context)).toEqual([
    { vmid: 151, name: 'lost', addresses: ['192.168.122.201', '2001:db8::5'] },
  ])
})

test('without one, nothing is asked beside the list of VMs', async () => {
  const { context, questions } = await contextOf({ 150: vm('web-1'), 152: vm('other', { tags: '' }) })
  expect(await unregisteredVms(context)).toEqual([])
  expect(questions).toEqual(['GET /cluster/resources'])
})

test('one without a known address is told', async () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => written.mockRestore())
  const { context } = await contextOf({ 151: vm('lost') })
  expect(await unregisteredVms(context)).toMatchObject([{ vmid: 151, addresses: [] }])
  expect(written.mock.calls.join('')).toContain('VM 151 (lost) carries this site')
})

test.each([
  [{ ipconfig0: 'ip=dhcp' }, []],
  [{ ipconfig0: 'ip6=auto,ip=10.0.0.5/8', ipconfig1: 'ip=10.1.0.5/8' }, ['10.0.0.5', '10.1.0.5']],
  [{ net0: 'virtio,ip=10.0.0.5' }, []],
])('the addresses of %o', (config, expected) => {
  expect(addressesIn(config as unknown as Record<string, string>)).toEqual(expected)
})
