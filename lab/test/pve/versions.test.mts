import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

/** What Proxmox VE 8 and 9 differ in, side by side. */
const SECRET = '3d8f9b1a-6c1e-4d3f-9a56-0f1e2d3c4b5a'
const TOKEN = 'ann@pve!t'
const ann = tokenHeader(TOKEN, SECRET)
const VERSIONS = [8, 9] as const
type Version = (typeof VERSIONS)[number]

let labs: Record<Version, TestLab>
beforeAll(async () => {
  const start = async (version: Version) => {
    const lab = await startLab({
      version,
      userCfg: 'user:ann@pve:1:0::::::\ntoken:ann@pve!t:0:0::\n',
      tokenSecrets: { [TOKEN]: SECRET },
    })
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'web', agent: 1, start: 1 })
    return lab
  }
  labs = { 8: await start(8), 9: await start(9) }
})
afterAll(() => Promise.all(Object.values(labs).map(lab => lab.close())))

const AUDIT = 'VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted'

/** The privileges of which one is enough on 9; on 8 it is VM.Monitor for all of them. */
const AGENT: [method: string, command: string, body: Record<string, unknown>, on9: string][] = [
  ['POST', 'ping', {}, AUDIT],
  ['GET', 'info', {}, AUDIT],
  ['GET', 'network-get-interfaces', {}, AUDIT],
  ['GET', 'get-host-name', {}, AUDIT],
  ['GET', 'get-osinfo', {}, AUDIT],
  ['POST', 'fstrim', {}, 'VM.GuestAgent.FileSystemMgmt|VM.GuestAgent.Unrestricted'],
  ['POST', 'shutdown', {}, 'VM.PowerMgmt|VM.GuestAgent.Unrestricted'],
  ['POST', 'exec', { command: 'true' }, 'VM.GuestAgent.Unrestricted'],
  ['GET', 'exec-status', { pid: 1 }, 'VM.GuestAgent.Unrestricted'],
  ['GET', 'file-read', { file: '/x' }, 'VM.GuestAgent.FileRead|VM.GuestAgent.Unrestricted'],
  ['POST', 'file-write', { file: '/x', content: 'x' }, 'VM.GuestAgent.FileWrite|VM.GuestAgent.Unrestricted'],
]

const ask = (lab: TestLab, method: string, command: string, body: Record<string, unknown>) => {
  const query = method === 'GET' ? `?${new URLSearchParams(body as Record<string, string>)}` : ''
  const path = `/nodes/pve/qemu/100/agent/${command}${query}`
  return lab.call(method, path, method === 'GET' ? {} : body, ann)
}

async function grant(lab: TestLab, privilege: string) {
  await lab.call('POST', '/access/roles', { roleid: 'Tried' })
  const role = await lab.call('PUT', '/access/roles/Tried', { privs: privilege })
  expect(role.status).toBe(200)
  await lab.call('PUT', '/access/acl', { path: '/vms/100', roles: 'Tried', users: 'ann@pve' })
}

describe.each(AGENT)('%s agent/%s', (method, command, body, on9) => {
  test.each(VERSIONS)('of Proxmox VE %i names what it needs, and takes each of it', async version => {
    const needed = version === 8 ? 'VM.Monitor' : on9
    await grant(labs[version], 'VM.Audit')
    expect(await ask(labs[version], method, command, body)).toMatchObject({
      status: 403,
      reason: `Permission check failed (/vms/100, ${needed})`,
    })
    for (const privilege of needed.split('|')) {
      await grant(labs[version], privilege)
      expect((await ask(labs[version], method, command, body)).status).not.toBe(403)
    }
  })
})

describe('privileges', () => {
  const all = async (version: Version) =>
    Object.keys((await labs[version].get('/access/roles/Administrator')).data)
  const refused = async (version: Version, privilege: string) =>
    (await labs[version].call('POST', '/access/roles', { roleid: 'Other', privs: privilege })).errors

  test('9 has six that 8 has not, and 8 one of its own', async () => {
    const [eight, nine] = [await all(8), await all(9)]
    expect(nine).toHaveLength(47)
    expect(eight.filter(privilege => !nine.includes(privilege))).toEqual(['VM.Monitor'])
    expect(nine.filter(privilege => !eight.includes(privilege)).sort()).toEqual([
      'VM.GuestAgent.Audit',
      'VM.GuestAgent.FileRead',
      'VM.GuestAgent.FileSystemMgmt',
      'VM.GuestAgent.FileWrite',
      'VM.GuestAgent.Unrestricted',
      'VM.Replicate',
    ])
  })

  test('a role takes its own version only, when it is made and when it is changed', async () => {
    for (const privilege of (await all(9)).filter(each => /GuestAgent|Replicate/.test(each)))
      expect(await refused(8, privilege)).toEqual({
        privs: `invalid format - invalid privilege '${privilege}'\n`,
      })
    expect(await refused(9, 'VM.Monitor')).toEqual({
      privs: "invalid format - invalid privilege 'VM.Monitor'\n",
    })
    await grant(labs[9], 'VM.Audit')
    const change = { privs: 'VM.Monitor', append: 1 }
    expect(await labs[9].call('PUT', '/access/roles/Tried', change)).toMatchObject({
      status: 400,
      errors: { privs: "invalid format - invalid privilege 'VM.Monitor'\n" },
    })
    expect((await labs[9].get('/access/roles/Tried')).data).toEqual({ 'VM.Audit': 1 })
  })

  test.each([
    ['PVEVMUser', 8, []],
    ['PVEVMUser', 9, ['Audit', 'FileRead', 'FileSystemMgmt', 'FileWrite']],
    ['PVEVMAdmin', 8, ['Monitor']],
    ['PVEVMAdmin', 9, ['Audit', 'FileRead', 'FileSystemMgmt', 'FileWrite', 'Unrestricted']],
    ['PVEAuditor', 8, []],
    ['PVEAuditor', 9, ['Audit']],
  ] as const)('%s of %i reaches the agent by %j', async (role, version, expected) => {
    const held = Object.keys((await labs[version].get(`/access/roles/${role}`)).data)
    const agent = held.filter(privilege => /^VM\.(GuestAgent\.|Monitor)/.test(privilege))
    expect(agent.map(privilege => privilege.split('.').at(-1)).sort()).toEqual(expected)
  })
})

test.each([
  [8, /^8\.4/, /^creation-qemu=9\./],
  [9, /^9\.1/, /^creation-qemu=10\./],
] as const)('%i tells its release and the QEMU of a new VM', async (version, release, meta) => {
  const lab = labs[version]
  expect((await lab.get('/version')).data.version).toMatch(release)
  expect((await lab.get('/nodes/pve/version')).data).toEqual((await lab.get('/version')).data)
  expect((await lab.get('/nodes/pve/status')).data.pveversion).toContain(
    (await lab.get('/version')).data.version,
  )
  expect((await lab.get('/nodes/pve/qemu/100/config')).data.meta).toMatch(meta)
})
