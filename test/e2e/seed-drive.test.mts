import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getGuestAddresses } from '../../scripts/lib/proxmox/get-guest-addresses.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

/**
 * A VM template whose cloud-init drive is at ide0, as a current Packer leaves it: Packer 1.6 leaves it at ide2. A VM from
 * it has one drive with user-data, never two: cloud-init would take the wrong one, and the VM got no address. It has a second
 * card, too, which must not get the address of the first.
 */
let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
  const root = rootClient(lab)
  const template = (await listVms(root)).find(vm => vm.template === 1)!
  await updateVmConfig(root, template, { delete: 'ide2' })
  await updateVmConfig(root, template, { ide0: 'tank:cloudinit', net1: 'virtio,bridge=vmbr0' })
  expect(await getVmConfig(root, template)).toMatchObject({ ide0: expect.stringContaining('cloudinit') })
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

test.each(['iso', 'snippet'])(
  'a VM by %s has one drive with user-data, where the VM template has it',
  async delivery => {
    const file = join(vms.workspace.folder, `${delivery}.yaml`)
    await writeFile(file, `cloud_init:\n  delivery: ${delivery}\n`)
    const name = `by-${delivery}`
    const made = await vms.run('vm', ['create', name, '--no-web3', '--apply', '--json'], {
      PROXMINT_VM: file,
    })
    expect(made.code, made.stderr).toBe(0)
    const { vmid, phase, address } = JSON.parse(made.stdout)
    expect(phase).toBe('active')
    const config = await getVmConfig(rootClient(lab), { node: 'pve', vmid })
    const drives = Object.keys(config).filter(key => /^(ide|sata)\d+$/.test(key))
    expect(drives).toEqual(['ide0'])
    expect(config['ide0']).toContain(delivery === 'iso' ? `proxmint-${name}` : 'cloudinit')
    const cards = (await getGuestAddresses(rootClient(lab), { node: 'pve', vmid }))!
    const mac = /=([\dA-F:]{17})/.exec(String(config['net0']))![1]!.toLowerCase()
    const addressed = cards.filter(({ addresses }) => addresses.some(text => text.startsWith(address)))
    expect(addressed.map(card => card.mac)).toEqual([mac])
    expect(await vms.json('apply', name)).toMatchObject([{ did: 'nothing' }])
  },
)
