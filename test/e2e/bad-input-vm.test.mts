/** What a person can get wrong about VMs, or meet: each with its message, and nothing changed. */
import { appendFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import type { Entry } from '../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../scripts/lib/registry/file/file-store.mts'
import { run } from './outside.mts'
import { copyVmFolders, homeIn } from './vm-workspace.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

/** Of a VM template without anything in it: nothing here boots. */
const template = 9000
/** Of somebody else's VM. */
const others = 150

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  root = rootClient(lab)
  const make = (vmid: number, name: string) =>
    root.request<string>('POST', '/nodes/pve/qemu', { vmid, name, scsi0: 'tank:3' })
  const done = async (upid: Promise<string>) => waitForTask(root, await upid, { timeoutMs: 60_000 })
  await done(make(template, 'empty'))
  await done(root.request('POST', `/nodes/pve/qemu/${template}/template`))
  await done(make(others, 'db'))
})
afterAll(() => lab?.close())

beforeEach(async () => {
  workspace = await createWorkspace(lab)
  await copyVmFolders(workspace)
})
afterEach(async () => {
  expect((await listVms(root)).map(({ vmid }) => vmid).sort()).toEqual([others, template])
  await workspace[Symbol.asyncDispose]()
})

const vm = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<ExecResult> =>
  workspace.zx('vm', args, { ...homeIn(workspace), ...env })
const create = (name: string, ...options: string[]) =>
  vm(['create', name, '--template-vmid', String(template), ...options])

async function entries(): Promise<Entry[]> {
  const store = openFileStore({ folder: join(workspace.stateDir, 'registry'), purpose: 'test' })
  try {
    return await store.list()
  } finally {
    await store.close()
  }
}

async function expectRefused(result: Promise<ExecResult>, code: number, ...said: string[]): Promise<void> {
  const { code: found, stdout, stderr } = await result
  for (const text of said) expect(stderr).toContain(text)
  expect(stderr).toMatch(/^error: /m)
  expect(found).toBe(code)
  expect(stdout).toBe('')
}

describe('what is asked for', () => {
  test.each<[string, string, string[], string]>([
    ['a name that is no host name', 'Web_1', [], '"Web_1" is not a VM name'],
    ['a path in a name', '../../etc/web', [], '"../../etc/web" is not a VM name'],
    ['an address outside of the pool', 'web-1', ['--ip', '10.0.0.5'], '10.0.0.5'],
    ['an address that is none', 'web-1', ['--ip', '192.168.122.999'], '--ip 192.168.122.999 is no address'],
    [
      'a VMID outside of the range',
      'web-1',
      ['--vmid', '5000'],
      'VMID 5000 is not in vmid_range, 100 to 999',
    ],
    ["somebody else's VMID", 'web-1', ['--vmid', String(others)], `VMID ${others}`],
    [
      'a disk that is too small',
      'web-1',
      ['--disk', '1'],
      'a disk of 1 GiB is smaller than that of VM template',
    ],
    ['a pool that is not there', 'web-1', ['--pool', 'defalt'], 'unknown pool defalt; did you mean default?'],
    ['a node that is not there', 'web-1', ['--node', 'pv'], 'unknown node pv; did you mean pve?'],
  ])('%s', async (_, name, options, message) => {
    await expectRefused(create(name, ...options), 2, message)
    expect(await entries()).toEqual([])
  })

  test('a VM template that is not there', async () => {
    await expectRefused(
      vm(['create', 'web-1', '--template-vmid', '9876']),
      2,
      'there is no VM template 9876 on pve',
    )
    await expectRefused(vm(['create', 'web-1']), 2, 'which has no version yet', 'zx scripts/build.mts debian')
    expect(await entries()).toEqual([])
  })

  test('a storage that is not there, for disks or for user-data', async () => {
    await expectRefused(
      vm(['create', 'web-1', '--template-vmid', String(template)], { PROXMOX_STORAGE_POOL: 'tnk' }),
      3,
      'node pve has no storage tnk',
      'correct proxmox_storage_pool',
    )
    await writeFile(join(workspace.folder, 'config/vm.yaml'), 'cloud_init:\n  storage: locl\n')
    await expectRefused(create('web-1'), 3, 'node pve has no storage locl', '`cloud_init.storage`')
    expect(await entries()).toEqual([])
  })

  test('a bridge that is not there; one that was reserved takes the mended pool', async () => {
    const pool = (more: string) =>
      writeFile(
        join(workspace.folder, 'config/db.yaml'),
        `pools: { lan: { addresses: 192.168.122.200-192.168.122.210, prefix: 24, ${more} } }\n`,
      )
    await pool('bridge: vmbr7')
    await expectRefused(
      create('web-1'),
      3,
      'node pve has no bridge vmbr7',
      'of the pool lan in config/db.yaml',
    )
    expect(await entries()).toEqual([])
    await pool('bridge: vmbr0')
    expect(await create('web-1')).toMatchObject({ code: 0 })
    await pool('bridge: vmbr7')
    const apply = () => workspace.zx('apply', ['web-1'], homeIn(workspace))
    await expectRefused(apply(), 3, 'node pve has no bridge vmbr7', 'of the pool lan in config/db.yaml')
    await pool('bridge: vmbr0, gateway: 192.168.122.1')
    // Nothing boots here: it is enough that it was about to be made.
    await lab.faults.set([
      { fault: 'failing-task', match: { task: 'qmclone' }, percent: 1, message: 'copy failed: I/O error' },
    ])
    const mended = (await apply()).stderr
    expect(mended).toContain('web-1 was never made, and takes what the pool lan has by now')
    expect((await entries())[0]!.design!.network).toMatchObject({
      bridge: 'vmbr0',
      gateway: '192.168.122.1',
    })
    await lab.faults.clear()
    expect(await vm(['destroy', 'web-1', '--yes'])).toMatchObject({ code: 0 })
  })

  test('a pool outside of its bridge’s network is told before anything is made', async () => {
    await writeFile(
      join(workspace.folder, 'config/db.yaml'),
      'pools: { lan: { addresses: 10.0.0.10-10.0.0.20, prefix: 24 } }\n',
    )
    const { stderr } = await create('web-1')
    const warning =
      'warning: the pool lan is in 10.0.0.0/24, and the bridge vmbr0 is in 192.168.122.0/24; compare config/db.yaml'
    expect(stderr.split(warning)).toHaveLength(2)
  })

  test('a range of VMIDs that VM templates have, too', async () => {
    await writeFile(join(workspace.folder, 'config/db.yaml'), 'vmid_range: [100, 9500]\n')
    await expectRefused(create('web-1'), 3, 'vmid_range [100, 9500] overlaps template_vmid_range')
    expect(await entries()).toEqual([])
  })

  test('user-data by an SSH that the credentials have no login for', async () => {
    const none = { PROXMOX_VE_SSH_USERNAME: '', PROXMOX_VE_SSH_PRIVATE_KEY: '' }
    const args = ['create', 'web-1', '--template-vmid', String(template)]
    await expectRefused(vm(args, none), 4, 'by the SSH of the node', 'cloud_init.delivery: iso')
    expect(await entries()).toEqual([])
    await writeFile(join(workspace.folder, 'vm.yaml'), 'cloud_init: { delivery: iso }\n')
    const seeded = await vm(args, { ...none, PROXMINT_VM: join(workspace.folder, 'vm.yaml') })
    expect(seeded.code, seeded.stderr).toBe(0)
  })

  test('more VMs than the pool has addresses', async () => {
    await writeFile(
      join(workspace.folder, 'db.yaml'),
      'pools:\n  default: { addresses: 192.168.122.200-192.168.122.200, prefix: 24 }\n',
    )
    const env = { PROXMINT_POOLS: join(workspace.folder, 'db.yaml') }
    expect(await vm(['create', 'web-1', '--template-vmid', String(template)], env)).toMatchObject({ code: 0 })
    const full = vm(['create', 'web-2', '--template-vmid', String(template)], env)
    await expectRefused(full, 1, 'default')
    expect((await entries()).map(({ name }) => name)).toEqual(['web-1'])
  })

  test('a name that is taken goes on with the VM that has it, if it has what was given', async () => {
    await create('web-1', '--cpu', '1')
    expect(await create('web-1', '--cpu', '1')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('web-1 is reserved already'),
    })
    await expectRefused(create('web-1', '--cpu', '4'), 3, 'cpu: given 4, web-1 has 1', 'nothing is lost')
    const fleet = join(workspace.folder, 'fleet.yaml')
    await writeFile(fleet, 'vms: { web-1: { cpu: 4 } }\n')
    await expectRefused(vm(['create', '--from', fleet]), 3, 'cpu: given 4, web-1 has 1')
    expect((await entries()).map(({ design }) => design!.cores)).toEqual([1])
  })

  test('a VM that is not there', async () => {
    for (const words of [
      ['show', 'web-1'],
      ['extend', 'web-1', '--days', '1'],
      ['destroy', 'web-1', '--yes'],
    ]) {
      await expectRefused(vm(words), 2, 'there is no VM web-1 in the registry')
    }
  })
})

test('credentials that expire midway: the step says so, and the next run goes on there', async () => {
  await create('web-1')
  const [user, tokenId] = lab.tokenEnv['PROXMOX_USERNAME']!.split('!')
  const path = `/access/users/${user}/token/${tokenId}`
  const past = Math.floor(Date.now() / 1000) - 10
  await root.request('PUT', path, { expire: past })
  try {
    await expectRefused(workspace.zx('apply', ['web-1'], homeIn(workspace)), 4, '401')
  } finally {
    await root.request('PUT', path, { expire: 0 })
  }
  expect(await entries()).toMatchObject([{ name: 'web-1', phase: 'reserved' }])
  const planned = await workspace.zx('apply', ['web-1', '--plan-only'], homeIn(workspace))
  expect(planned.stdout).toContain('proxmox_virtual_environment_vm.this will be created')
})

describe('the registry', () => {
  const journal = () => join(workspace.stateDir, 'registry/journal-0.jsonl')

  test('is damaged', async () => {
    await create('web-1')
    await create('web-2')
    const lines = (await readFile(journal(), 'utf8')).split('\n')
    await writeFile(journal(), [lines[0]!.replace('web', 'wob'), ...lines.slice(1)].join('\n'))
    const before = await readFile(journal(), 'utf8')
    await expectRefused(vm(['list']), 1, 'the registry is damaged', 'registry.mts restore FILE')
    await expectRefused(create('web-3'), 1, 'the registry is damaged')
    expect(await readFile(journal(), 'utf8')).toBe(before)
  })

  test('ends in half a line, of a run that died: what was acknowledged is there', async () => {
    await create('web-1')
    await appendFile(journal(), '{"version":1,"ser')
    expect(await create('web-2')).toMatchObject({ code: 0 })
    expect((await entries()).map(({ name }) => name)).toEqual(['web-1', 'web-2'])
  })

  test('is another machine’s: what Proxmox has with the tag of this site is not given out again', async () => {
    const ipconfig0 = 'ip=192.168.122.200/24'
    await root.request('POST', '/nodes/pve/qemu', {
      ...{ vmid: 444, name: 'web-1', tags: 'proxmint-test', ipconfig0 },
    })
    try {
      await expectRefused(create('web-1'), 2, 'the name web-1 is taken: VM 444 (web-1)', 'restore FILE')
      await create('web-2')
      expect(await entries()).toMatchObject([{ name: 'web-2', address: '192.168.122.201' }])
    } finally {
      await waitForTask(root, await root.request('DELETE', '/nodes/pve/qemu/444'), { timeoutMs: 10_000 })
    }
  })

  test('is full', async context => {
    if (process.getuid?.() !== 0) return context.skip('mounting a small file system takes root')
    await create('web-1')
    const folder = join(workspace.stateDir, 'registry')
    const kept = join(workspace.folder, 'kept')
    await cp(folder, kept, { recursive: true })
    const mount = await run(workspace, ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'proxmint-test', folder])
    expect(mount.code, mount.stderr).toBe(0)
    try {
      await cp(kept, folder, { recursive: true })
      await writeFile(join(folder, 'filler'), 'x'.repeat(2 ** 20)).catch(() => undefined)
      const made = ['web-1']
      let result = await create('web-2')
      // The last page of the journal still takes some.
      for (let next = 3; result.code === 0 && next < 10; next++) {
        made.push(`web-${next - 1}`)
        result = await create(`web-${next}`)
      }
      await expectRefused(Promise.resolve(result), 1, 'no space left on the device', 'free some space')
      await rm(join(folder, 'filler'))
      expect((await entries()).map(({ name }) => name)).toEqual(made)
      expect(await create('web-10')).toMatchObject({ code: 0 })
    } finally {
      await run(workspace, ['umount', folder])
    }
  })

  test('is a database that nobody reaches', async () => {
    const url = { PROXMINT_REGISTRY_URL: 'postgresql://proxmint@127.0.0.1:1/proxmint' }
    await expectRefused(
      vm(['list'], url),
      1,
      'the registry in PostgreSQL cannot be used: nothing listens there',
    )
  })

  test('is in a database, and the states are on this machine alone', async () => {
    const url = { PROXMINT_REGISTRY_URL: 'postgresql://proxmint@127.0.0.1:1/proxmint' }
    await expectRefused(vm(['create', 'web-1'], url), 3, 'the states of Terraform are on this machine alone')
  })
})

test('a VM that another run works on: who, and since when', async () => {
  await create('web-1')
  const store = openFileStore({ folder: join(workspace.stateDir, 'registry'), purpose: 'test' })
  await store.exclusively('web-1', 'apply', () =>
    expectRefused(
      vm(['destroy', 'web-1', '--yes']),
      5,
      'another run holds the lock',
      `apply web-1, process ${process.pid} on`,
      'since 20',
    ),
  )
  await store.close()
  expect(await entries()).toHaveLength(1)
})

test('a state that cannot be written', async () => {
  await create('web-1')
  await rm(join(workspace.folder, 'vms/web-1'), { recursive: true })
  await mkdir(join(workspace.folder, 'vms'), { recursive: true })
  await writeFile(join(workspace.folder, 'vms/web-1'), 'a file in the place of the folder')
  const { code, stderr } = await workspace.zx('apply', ['web-1'], homeIn(workspace))
  expect(code).not.toBe(0)
  expect(stderr).toContain('vms/web-1')
  expect(await entries()).toMatchObject([{ name: 'web-1', phase: 'reserved' }])
})
