import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { startLabWith } from './golden.mts'
import { openTofu, rootLogin, type Tofu } from './opentofu.mts'
import { createWorkspace, rootClient, type Workspace } from './workspace.mts'

/** One VM with user-data of its own, through what is done to a VM in its life, by the bpg provider. */
let lab: Lab
let workspace: Workspace
let tofu: Tofu
let keyFile: string

beforeAll(async () => {
  lab = await startLabWith('base')
  workspace = await createWorkspace(lab)
  keyFile = join(workspace.folder, 'jane')
  await lab.exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', keyFile])
  const key = (await readFile(`${keyFile}.pub`, 'utf8')).trim()
  tofu = await openTofu(lab, 'opentofu-vm', { ...rootLogin(lab), TF_VAR_ssh_key: key })
})
afterAll(async () => {
  await tofu?.[Symbol.asyncDispose]()
  await workspace?.[Symbol.asyncDispose]()
  await lab?.close()
})

const config = () => getVmConfig(rootClient(lab), { node: 'pve', vmid: 120 })

const status = async () => (await listVms(rootClient(lab))).find(vm => vm.vmid === 120)?.status

const options = [
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
  'LogLevel=ERROR',
  'BatchMode=yes',
]

/** Over SSH as the user that the snippet made, once the machine has got that far. */
async function inGuest(command: string): Promise<string> {
  const ssh = ['ssh', '-i', keyFile, ...options.flatMap(option => ['-o', option]), 'jane@192.168.122.210']
  const run = () => lab.exec([...ssh, command])
  await expect.poll(run, { timeout: 60_000, interval: 500 }).toMatchObject({ code: 0 })
  return (await run()).stdout
}

const changed = ['disk_size=10', 'description=changed', 'tags=["proxmint","web","large"]', 'pool=green']
const withSnippet = [...changed, 'greeting=second']

describe.sequential('a VM by OpenTofu', () => {
  test('is cloned into a pool and boots with the snippet', async () => {
    await tofu.apply()
    expect(await config()).toMatchObject({
      cicustom: 'user=local:snippets/web.yaml',
      tags: 'proxmint;web',
      scsi0: expect.stringContaining('size=8G'),
    })
    expect(await inGuest('cat /etc/greeting')).toBe('first')
    expect(await tofu.output('found')).toMatchObject({
      name: 'web',
      status: 'running',
      template: false,
      web: [120],
      address: expect.arrayContaining([['192.168.122.210']]),
    })
  })

  test('description, tags, pool and size of its disk change in place', async () => {
    expect(await tofu.plan(...changed)).toEqual({ 'proxmox_virtual_environment_vm.web': 'update' })
    await tofu.apply(...changed)
    expect(await config()).toMatchObject({
      description: expect.stringMatching(/^changed\s*$/),
      tags: 'large;proxmint;web',
      scsi0: expect.stringContaining('size=10G'),
    })
  })

  test('another snippet leaves it alone', async () => {
    expect(await tofu.plan(...withSnippet)).toEqual({
      'proxmox_virtual_environment_file.user_data': 'delete create',
    })
    await tofu.apply(...withSnippet)
    expect(await status()).toBe('running')
  })

  test('is stopped, started again with the new snippet, and destroyed', async () => {
    await tofu.apply(...withSnippet, 'started=false')
    expect(await status()).toBe('stopped')
    await tofu.apply(...withSnippet)
    expect(await status()).toBe('running')
    expect(await inGuest('cat /etc/greeting')).toBe('second')
    await tofu.destroy(...withSnippet)
    expect((await listVms(rootClient(lab))).map(vm => vm.vmid)).toEqual([9900])
  })
})
