/** Proxmox VE 8 and 9 as proxmoxer sees them: privileges, what a role takes, and the words of a refusal. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT_PASSWORD, startLab, type TestLab } from './client.mts'
import { type Installed, pythonWith } from './clients/install.mts'
import { driver, runClient } from './clients/run-client.mts'

const PROXMOXER = '2.3.0'

type Call = [method: 'get' | 'post' | 'put' | 'delete', path: string, parameters: Record<string, unknown>]
type Outcome = { data: unknown } | { status: number; text: string; errors: Record<string, string> | null }

let python: Installed
beforeAll(async () => {
  python = await pythonWith(`proxmoxer-${PROXMOXER}`, [`proxmoxer==${PROXMOXER}`, 'requests'])
  if (python.missing) console.warn(`SKIPPED: proxmoxer cannot be installed: ${python.missing}`)
})

describe.each([
  {
    version: 8 as const,
    release: '8.4',
    own: 'VM.Monitor',
    foreign: 'VM.GuestAgent.Audit',
    refusal: 'Permission check failed (/vms/100, VM.Monitor)',
  },
  {
    version: 9 as const,
    release: '9.1',
    own: 'VM.GuestAgent.Audit',
    foreign: 'VM.Monitor',
    refusal: 'Permission check failed (/vms/100, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)',
  },
])('Proxmox VE $version', ({ version, release, own, foreign, refusal }) => {
  let lab: TestLab
  beforeAll(async () => {
    lab = await startLab({
      version,
      userCfg:
        'user:ann@pve:1:0::::::\nuser:bob@pve:1:0::::::\nrole:Look:VM.Audit:\nacl:1:/vms:bob@pve:Look:\n',
      passwords: { 'ann@pve': 'secret', 'bob@pve': 'secret' },
    })
    const settings = { vmid: 100, net0: 'virtio,bridge=vmbr0', agent: 1, start: 1 }
    await lab.task('POST', '/nodes/pve/qemu', settings)
  })
  afterAll(() => lab.close())

  async function calls(user: string, password: string, ...list: Call[]): Promise<Outcome[]> {
    const input = JSON.stringify({ login: { user, password }, calls: list })
    return JSON.parse(await runClient(lab.server, python.file!, [driver('calls.py')], input))
  }
  const asRoot = (...list: Call[]) => calls('root@pam', ROOT_PASSWORD, ...list)
  const askAgent: Call = ['get', 'nodes/pve/qemu/100/agent/network-get-interfaces', {}]

  test('says which it is', async ({ skip }) => {
    skip(python.missing !== undefined, python.missing)
    expect(await asRoot(['get', 'version', {}])).toEqual([{ data: expect.objectContaining({ release }) }])
  })

  test(`takes ${own} in a role, and not ${foreign}`, async ({ skip }) => {
    skip(python.missing !== undefined, python.missing)
    const role = (roleid: string, privilege: string): Call => [
      'post',
      'access/roles',
      { roleid, privs: `VM.Audit,${privilege}` },
    ]
    const [taken, refused] = await asRoot(role('Agent', own), role('Other', foreign))
    expect(taken).toEqual({ data: null })
    expect(refused).toMatchObject({
      status: 400,
      errors: { privs: `invalid format - invalid privilege '${foreign}'\n` },
    })
    const [roles] = (await asRoot(['get', 'access/roles', {}])) as [{ data: { roleid: string }[] }]
    expect(roles.data.map(({ roleid }) => roleid)).not.toContain('Other')
  })

  test(`lets who has ${own} ask the agent, and tells the others what they lack`, async ({ skip }) => {
    skip(python.missing !== undefined, python.missing)
    await asRoot(
      ['post', 'access/roles', { roleid: 'Asker', privs: own }],
      ['put', 'access/acl', { path: '/vms/100', roles: 'Asker', users: 'ann@pve' }],
    )
    expect(await calls('ann@pve', 'secret', askAgent)).toEqual([
      { data: { result: [expect.objectContaining({ name: 'eth0' })] } },
    ])
    expect(await calls('bob@pve', 'secret', askAgent)).toEqual([{ status: 403, text: refusal, errors: null }])
  })
})
