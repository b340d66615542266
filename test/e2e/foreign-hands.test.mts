import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig, type VmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { rebootVm } from '../../scripts/lib/proxmox/reboot-vm.mts'
import { resizeDisk } from '../../scripts/lib/proxmox/resize-disk.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { changeEntry } from '../change-entry.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

/** A person changes VMs in Proxmox. What proxmint does not manage stays, key for key; the rest is named before it changes. */
let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const web = { node: 'pve', vmid: 100 }
/** The digest changes with every write. */
const config = async (): Promise<VmConfig> => {
  const { digest: _, ...rest } = await getVmConfig(rootClient(lab), web)
  return rest
}
const power = async () => (await getVmStatus(rootClient(lab), web)).status
const change = (parameters: Record<string, string | number>) =>
  updateVmConfig(rootClient(lab), web, parameters)
const expire = () =>
  changeEntry(vms.registry, 'web-1', entry => ({
    ...entry,
    expiresAt: new Date(Date.now() - 60_000).toISOString(),
  }))
/** Sets parts of an option; Proxmox refuses a part that is there twice. */
function withParts(option: unknown, ...parts: string[]): string {
  const set = new Set(parts.map(part => part.split('=')[0]))
  const kept = String(option)
    .split(',')
    .filter(part => !set.has(part.split('=')[0]!))
  return [...kept, ...parts].join(',')
}
/** Types of the tasks that `work` began. */
async function tasksOf(work: () => Promise<unknown>): Promise<string[]> {
  const all = () => rootClient(lab).request<{ upid: string; type: string }[]>('GET', '/nodes/pve/tasks')
  const known = new Set((await all()).map(({ upid }) => upid))
  await work()
  return (await all()).filter(({ upid }) => !known.has(upid)).map(({ type }) => type)
}

describe.sequential('what somebody did in Proxmox', () => {
  let mine: VmConfig

  test('is added to a VM that runs', async () => {
    expect(
      await vms.json('vm', 'create', 'web-1', '--purpose', 'shop', '--no-web3', '--apply'),
    ).toMatchObject({
      phase: 'active',
      design: { made: expect.arrayContaining(['net0', 'scsi0']) },
    })
    expect(await vms.json('reconcile')).toEqual([])
    const before = await config()
    await change({
      net0: withParts(before['net0'], 'firewall=1', 'rate=10'),
      net1: 'virtio,bridge=vmbr0,tag=20',
      net2: 'e1000,bridge=vmbr0,firewall=1',
      ipconfig1: 'ip=10.0.20.5/24',
      scsi1: 'tank:2',
      balloon: 1024,
      description: `Ask Jane first.\n\n${before['description']}\n\nRack 4`,
      tags: `${before['tags']};jane`,
      startup: 'order=3,up=30',
      hotplug: 'network,disk,usb',
      usb0: 'host=1234:5678',
      vga: 'virtio',
      ostype: 'l26',
      searchdomain: 'example.com',
    })
    await resizeDisk(rootClient(lab), web, 'scsi0', '12G')
    await expect.poll(async () => (await config())['scsi0']).toContain('size=12G')
    // These wait until the VM starts again: until then a resize would not change what the config shows.
    await rootClient(lab).request('PUT', '/nodes/pve/qemu/100/config', {
      scsi0: withParts((await config())['scsi0'], 'discard=on', 'ssd=1', 'serial=ROOT'),
      hostpci0: '0000:01:00.0,pcie=1',
      protection: 1,
    })
    mine = await config()
  })

  test('stays through `apply`, without a task in Proxmox', async () => {
    let applied: unknown
    const begun = await tasksOf(async () => {
      applied = await vms.json('apply', 'web-1')
    })
    expect(applied).toMatchObject([{ did: 'nothing', changes: [], entry: { design: { disk: 12 } } }])
    expect(await config()).toEqual(mine)
    expect(begun).toEqual([])
    expect((await vms.registry.find('web-1'))!.history.at(-1)!.what).toContain('was grown from 10 to 12 GiB')
  })

  test('is shown by `vm show`', async () => {
    const shown = await vms.run('vm', ['show', 'web-1'])
    expect(shown.stdout).toMatch(
      /foreign +scsi1 \(.*\), hostpci0 \(.*\), net1 \(.*tag=20\), net2 \(.*\), usb0/,
    )
    expect(shown.stdout).toContain('protected')
    expect(shown.stdout).not.toContain('differs')
  })

  test('stays through `gc` and `resume`', async () => {
    // gc leaves a protected VM alone.
    await change({ protection: 0 })
    mine = { ...mine, protection: 0 }
    await expire()
    expect(await vms.json('gc', '--execute')).toMatchObject([{ due: 'suspend', result: 'done' }])
    expect(await power()).toBe('stopped')
    mine = { ...mine, onboot: 0 }
    expect(await config()).toEqual(mine)
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    expect(await config()).toEqual(mine)
    expect(await vms.json('vm', 'resume', 'web-1', '--days', '10')).toMatchObject({ phase: 'active' })
    mine = { ...mine, onboot: 1 }
    expect(await config()).toEqual(mine)
    expect(await power()).toBe('running')
  })

  test('stays where something else is changed', async () => {
    await changeEntry(vms.registry, 'web-1', entry => ({
      ...entry,
      purpose: 'store',
      design: { ...entry.design!, disk: 14, network: { ...entry.design!.network, vlan: 7 } },
    }))
    const [applied] = await vms.json('apply', 'web-1')
    expect(applied.changes.map((one: { what: string }) => one.what)).toEqual([
      'file of the user-data',
      'VLAN',
      'disk',
      'notes',
    ])
    const description = String(mine['description']).replace('Made by', 'store\nMade by')
    const scsi0 = String(mine['scsi0']).replace('size=12G', 'size=14G')
    expect(await config()).toEqual({ ...mine, description, scsi0, net0: `${mine['net0']},tag=7` })
    mine = await config()
  })
})

describe.sequential('a difference in what proxmint manages', () => {
  let mine: VmConfig

  test('is reported by `vm show` with both values', async () => {
    await change({ memory: 4096, cores: 4 })
    // The VM runs with it then; what only waits in Proxmox is taken back without a reboot.
    const root = rootClient(lab)
    await waitForTask(root, await rebootVm(root, web, 120), { timeoutMs: 150_000 })
    mine = await config()
    const shown = await vms.json('vm', 'show', 'web-1')
    expect(shown.views.proxmox.drift).toEqual([
      { what: 'cores', proxmox: '4', registry: '2' },
      { what: 'memory', proxmox: '4096', registry: '2048' },
    ])
    const found = await vms.run('reconcile', [])
    expect(found.code).toBe(1)
    for (const what of ['memory: Proxmox 4096, registry 2048', 'cores: Proxmox 4, registry 2']) {
      expect(found.stdout).toContain(`web-1: ${what}`)
    }
    expect(found.stdout).toContain('web-1: somebody added scsi1')
  })

  test('is not put back without a word, for one VM or for all', async () => {
    for (const names of [['web-1'], []]) {
      const refused = await vms.run('apply', names)
      expect(refused.code, refused.stdout).toBe(3)
      expect(refused.stderr).toContain('nobody agreed to a reboot (cores 4 -> 2, memory 4096 -> 2048)')
      expect(refused.stderr).toContain('to agree: zx scripts/apply.mts web-1 --allow reboot')
      expect(await config()).toEqual(mine)
    }
    const planned = await vms.run('apply', ['web-1', '--plan-only'])
    expect(planned.stdout).toContain('It needs --allow reboot.')
    expect(await config()).toEqual(mine)
  })

  test('does not keep a VM from its owner', async () => {
    await expire()
    await vms.json('gc', '--execute')
    expect(await vms.json('vm', 'resume', 'web-1', '--days', '10')).toMatchObject({ phase: 'active' })
    expect(await config()).toEqual(mine)
  })

  test('is put back when that is agreed to, and nothing else is', async () => {
    const applied = await vms.run('apply', ['web-1', '--allow', 'reboot'])
    expect(applied.code, applied.stderr).toBe(0)
    expect(applied.stderr).toContain('changes web-1: cores 4 -> 2, memory 4096 -> 2048')
    expect(applied.stdout).toContain('changed: cores 4 -> 2, memory 4096 -> 2048')
    expect(await config()).toEqual({ ...mine, memory: '2048', cores: 2 })
    expect(await power()).toBe('running')
  })
})

test('a VM that somebody renamed gets its name and its tag back, and stays where its mark is gone', async () => {
  const mine = await config()
  await change({ name: 'renamed', tags: 'jane' })
  expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'changed' }])
  expect(await config()).toEqual({ ...mine, tags: 'jane;proxmint-test' })
  await change({ description: 'mine now', name: 'renamed' })
  const theirs = await config()
  const refused = await vms.run('apply', ['web-1'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('VM 100 is not web-1')
  expect(await config()).toEqual(theirs)
  await change({ description: String(mine['description']), name: 'web-1' })
})

test('a VM that Proxmox works on is left alone, in our own words', async () => {
  await rootClient(lab).request('PUT', '/nodes/pve/qemu/100/config', { lock: 'backup' })
  const refused = await vms.run('apply', ['web-1'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('VM 100 of web-1 is locked in Proxmox (backup)')
  expect(refused.stderr).toContain('unlock it, on pve: qm unlock 100')
  await rootClient(lab).request('PUT', '/nodes/pve/qemu/100/config', { delete: 'lock', skiplock: 1 })
})

test('a free number between two cards stays free, and the cards stay', async () => {
  await change({ net5: 'virtio,bridge=vmbr0', net1: 'virtio,bridge=vmbr0,rate=5' })
  const mine = await config()
  expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
  expect(await config()).toEqual(mine)
  await changeEntry(vms.registry, 'web-1', entry => ({
    ...entry,
    design: { ...entry.design!, memory: 1024 },
  }))
  await vms.json('apply', 'web-1', '--allow', 'reboot')
  const after = await config()
  expect(Object.keys(after)).toEqual(Object.keys(mine))
  // The provider writes each card anew then: the values are the same.
  const cards = ({ net0, net1, net2, net5 }: VmConfig) =>
    [net0, net1, net2, net5].map(card => String(card).replace('.000000', '').replace(',firewall=0', ''))
  expect(cards(after)).toEqual(cards(mine))
})

test('--allow data-loss names the VMs', async () => {
  const refused = await vms.run('apply', ['--allow', 'data-loss'])
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('--allow data-loss needs the name of each VM')
})
