/** `vm change` on a VM that runs: costs first, then what was asked for and nothing else, also after kill -9. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getRunningConfig, getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { ADOPT_CHECKPOINTS, CHANGE_CHECKPOINTS } from '../checkpoints.mts'
import { startLabWith } from './golden.mts'
import { inGuestByAgent } from './guest-agent.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

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
const config = () => getVmConfig(rootClient(lab), web)
const running = () => getRunningConfig(rootClient(lab), web)
const change = (...args: string[]) => vms.run('vm', ['change', 'web-1', ...args])
const entry = async () => (await vms.registry.find('web-1'))!
/** What waits for the next start of the VM. */
const waiting = async () => {
  type Option = { key: string; pending?: unknown; delete?: number }
  const options = await rootClient(lab).request<Option[]>('GET', '/nodes/pve/qemu/100/pending')
  return options.filter(one => one.pending !== undefined || one.delete !== undefined).map(({ key }) => key)
}
/** Types of the tasks that `work` began. */
async function tasksOf(work: () => Promise<unknown>): Promise<string[]> {
  const all = () => rootClient(lab).request<{ upid: string; type: string }[]>('GET', '/nodes/pve/tasks')
  const known = new Set((await all()).map(({ upid }) => upid))
  await work()
  return (await all()).filter(({ upid }) => !known.has(upid)).map(({ type }) => type)
}

describe.sequential('a VM that runs', () => {
  test('is made', async () => {
    const made = await vms.json(
      'vm',
      'create',
      'web-1',
      '--memory',
      '512',
      '--purpose',
      'shop',
      '--no-web3',
      '--apply',
    )
    expect(made).toMatchObject({ phase: 'active', vmid: 100, design: { memory: 512 } })
    // Somebody else's change, for which nobody asks here.
    await updateVmConfig(rootClient(lab), web, { startup: 'order=3', cpuunits: 200 })
  })

  test('is shown what a change costs', async () => {
    const plan = await vms.json(
      'vm',
      'change',
      'web-1',
      '--plan-only',
      '--memory',
      '640',
      '--cpu-limit',
      '1',
      '--owner',
      'Ada',
    )
    expect(plan).toMatchObject({
      did: 'planned',
      changes: expect.arrayContaining([
        expect.objectContaining({ what: 'memory', from: '512', to: '640', costs: 'reboot' }),
        expect.objectContaining({ what: 'cpu limit', from: '0', to: '1', costs: 'hot' }),
        expect.objectContaining({ what: 'owner', to: 'Ada', costs: 'nothing' }),
      ]),
    })
    expect((await entry()).design).toMatchObject({ memory: 512 })
    expect(await config()).toMatchObject({ memory: '512' })
  })

  test('is not changed without the word, nor is its entry', async () => {
    const before = await entry()
    const { code, stderr } = await change('--memory', '640')
    expect(code).toBe(3)
    expect(stderr).toContain('nobody agreed to a reboot (memory 512 -> 640)')
    expect(await entry()).toEqual(before)
    expect(await change('--disk', '1')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('never shrinks'),
    })
    expect(await entry()).toEqual(before)
  })

  test('takes a CPU limit, tags and notes while it runs', async () => {
    const { uptime } = (await getVmStatus(rootClient(lab), web)) as { uptime?: number }
    const args = [
      '--cpu-limit',
      '1',
      '--tags',
      'db',
      '--notes',
      'call Bob',
      '--owner',
      'Ada',
      '--expiry-days',
      'never',
    ]
    expect(await tasksOf(async () => expect(await change(...args)).toMatchObject({ code: 0 }))).toEqual([])
    expect(await config()).toMatchObject({ cpulimit: '1', cpuunits: 200, startup: 'order=3' })
    const { description, tags } = await config()
    expect(String(tags).split(';')).toContain('db')
    expect(description).toMatch(/^shop\nOwner: Ada\ncall Bob\nMade by proxmint\. /)
    expect(await entry()).toMatchObject({ ownerName: 'Ada', expiresAt: null })
    expect(await entry()).not.toHaveProperty('retired')
    expect(await waiting()).toEqual([])
    expect(
      Number(((await getVmStatus(rootClient(lab), web)) as { uptime?: number }).uptime),
    ).toBeGreaterThanOrEqual(uptime ?? 0)
  })

  test('takes more memory with a reboot, and nothing waits then', async () => {
    const types = await tasksOf(async () =>
      expect(await change('--memory', '640', '--allow', 'reboot')).toMatchObject({ code: 0 }),
    )
    expect(types).toEqual(['qmreboot'])
    expect(await waiting()).toEqual([])
    expect(await running()).toMatchObject({ memory: '640', cpuunits: 200 })
    expect((await entry()).history.at(-1)?.what).toBe('changed: memory from 512 to 640')
    expect(await change('--memory', '640')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('has all of that already'),
    })
  })

  test('is changed by what a fleet file says', async () => {
    const file = join(vms.workspace.folder, 'fleet.yaml')
    await writeFile(
      file,
      'vms:\n  web-1: { web3: false, memory: 640, cpu_limit: 2, tags: [web], expiry_days: never }\n  gone-1: {}\n',
    )
    const { code, stdout } = await vms.run('vm', ['change', '--from', file, '--json'])
    expect(code).toBe(7)
    expect(JSON.parse(stdout)).toMatchObject([
      {
        name: 'web-1',
        did: 'changed',
        changes: [
          { what: 'cpu limit', costs: 'hot' },
          { what: 'tags', from: expect.stringContaining('db') },
        ],
      },
      { name: 'gone-1', error: expect.stringContaining('there is no VM gone-1') },
    ])
    expect(String((await config())['tags']).split(';')).not.toContain('db')
  })

  test('gets the keys of today by its guest agent, and keeps those it has', async () => {
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA it's Ada"
    const defaults = `cloud_init:\n  ssh_authorized_keys:\n    - ${JSON.stringify(key)}\n`
    await writeFile(join(vms.workspace.folder, 'config', 'vm.yaml'), defaults)
    const role = { privs: 'VM.GuestAgent.Unrestricted', append: 1 }
    await rootClient(lab).request('PUT', '/access/roles/Proxmint', role)
    const read = () =>
      inGuestByAgent(
        rootClient(lab),
        100,
        'cat ~admin/.ssh/authorized_keys; stat -c %U ~admin/.ssh/authorized_keys',
      )
    const before = (await read()).split('\n')
    for (let times = 0; times < 2; times++) {
      const { code, stderr } = await change('--write-keys')
      expect(code, stderr).toBe(0)
      expect((await read()).split('\n')).toEqual([...before.slice(0, -1), key, 'admin'])
    }
    expect((await entry()).design?.atRebuild?.cloudInit.sshAuthorizedKeys).toContain(key)
  })

  test('user-data waits for the next rebuild, and `apply` leaves it alone', async () => {
    const { stdout } = await change('--username', 'ops')
    expect(stdout).toContain('cloud-init read its user-data at the first boot')
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
  })

  test.each(['vm-reshaped', ...CHANGE_CHECKPOINTS].map((step, index) => [step, 768 + 64 * index] as const))(
    'killed at %s: `apply` names the cost again, and finishes',
    async (step, memory) => {
      const args = ['change', 'web-1', '--memory', String(memory), '--purpose', step, '--allow', 'reboot']
      const { code } = await vms.run('vm', args, { PROXMINT_TEST_KILL_AT: step })
      expect(code).not.toBe(0)
      await vms.ageLocks()
      if (step !== 'vm-change-made') {
        const refused = await vms.run('apply', ['web-1'])
        expect(refused).toMatchObject({
          code: 3,
          stderr: expect.stringContaining('nobody agreed to a reboot'),
        })
      }
      const applied = await vms.run('apply', ['web-1', '--allow', 'reboot'])
      expect(applied.code, applied.stderr).toBe(0)
      expect(await running()).toMatchObject({
        memory: String(memory),
        description: expect.stringContaining(`${step}\n`),
      })
      expect(await waiting()).toEqual([])
      expect(await entry()).not.toHaveProperty('retired')
    },
  )
})

describe.sequential('a VM that proxmint did not make', () => {
  const mail = { node: 'pve', vmid: 500 }
  const notes = async () => String((await getVmConfig(rootClient(lab), mail))['description'])
  const adopt = ['adopt', '500', '--ip', '10.9.9.9', '--apply']

  test('is shown first, and not marked', async () => {
    const body = { vmid: 500, name: 'mail', description: 'Ask Jane.', scsi0: 'tank:1', memory: 512 }
    await rootClient(lab).request('POST', '/nodes/pve/qemu', body)
    await expect.poll(notes, { timeout: 60_000 }).toContain('Ask Jane.')
    const { stdout } = await vms.run('vm', adopt.slice(0, -1))
    expect(stdout).toMatch(/mail +500 +active, stopped|mail +500 +active/)
    expect(stdout).toContain(
      'With --apply: an entry in the registry, and a line "In the registry of proxmint.',
    )
    expect((await notes()).trim()).toBe('Ask Jane.')
    expect(await vms.registry.find('mail')).toBeUndefined()
  })

  test.each(ADOPT_CHECKPOINTS)('killed at %s, comes under the registry by the same command', async step => {
    expect((await vms.run('vm', adopt, { PROXMINT_TEST_KILL_AT: step })).code).not.toBe(0)
    await vms.ageLocks()
    const { code, stderr } = await vms.run('vm', adopt)
    expect(code, stderr).toBe(0)
    const { id } = (await vms.registry.find('mail'))!
    expect((await notes()).trim()).toBe(`Ask Jane.\n\nIn the registry of proxmint. Entry ${id}.`)
    expect(await vms.registry.find('mail')).toMatchObject({
      ...{ vmid: 500, foreign: true, design: null, address: '10.9.9.9', pool: 'none', expiresAt: null },
    })
  })

  test('is left alone by everything but what a person asks for', async () => {
    expect(await vms.json('reconcile')).toEqual([])
    const changed = await vms.json('vm', 'change', 'mail', '--owner', 'Ada', '--purpose', 'mail')
    expect(changed).toMatchObject({ did: 'changed', entry: { ownerName: 'Ada' } })
    const refused = await vms.run('vm', ['change', 'mail', '--memory', '1024'])
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('proxmint did not make mail') })
    expect(await vms.run('vm', ['destroy', 'mail', '--yes'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('--allow data-loss'),
    })
    expect((await notes()).startsWith('Ask Jane.')).toBe(true)
  })
})
