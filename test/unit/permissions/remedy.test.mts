import { describe, expect, test } from 'vitest'
import { type AclEntry, findHolders, type Holders } from '../../../scripts/lib/permissions/holders.mts'
import { cloneBuildNeeds, type Grant } from '../../../scripts/lib/permissions/needs.mts'
import { pveumLines } from '../../../scripts/lib/permissions/remedy.mts'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'

const user = 'terraform@pve'
const token = 'terraform@pve!terraform-token'

const needs = cloneBuildNeeds(
  { pveMajor: 9, node: 'pve', vmid: 9000, diskStorages: ['tank'], bridge: 'vmbr0' },
  9900,
  true,
)

const grant = (text: string): Grant => {
  const [path = '', privilege = ''] = text.split(' ')
  return { path, privilege }
}

const forUser = (path: string, roleid: string, propagate: 0 | 1 = 1): AclEntry => ({
  path,
  type: 'user',
  ugid: user,
  roleid,
  propagate,
})

const forToken = (path: string, roleid: string): AclEntry => ({
  path,
  type: 'token',
  ugid: token,
  roleid,
  propagate: 1,
})

const unknown: Holders = { user, token, userLacks: undefined, acl: [] }

const agent = ['/vms/9000 VM.GuestAgent.Audit']
const vmPrivileges =
  'VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.HWType,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.GuestAgent.Audit,VM.PowerMgmt'

const append = (role: string, privileges: string) =>
  `pveum role modify ${role} -append 1 -privs '${privileges}'`

describe('a role that is known gets what it lacks', () => {
  test.each<[string, string[], Partial<Holders>, string[]]>([
    [
      "the user's, above the path",
      agent,
      { userLacks: true, acl: [forUser('/', 'TerraformProv')] },
      [append('TerraformProv', 'VM.GuestAgent.Audit')],
    ],
    [
      'the nearest of two',
      agent,
      { userLacks: true, acl: [forUser('/', 'Far'), forUser('/vms', 'Near')] },
      [append('Near', 'VM.GuestAgent.Audit')],
    ],
    [
      'on the path itself, propagating or not',
      agent,
      { userLacks: true, acl: [forUser('/vms/9000', 'Own', 0)] },
      [append('Own', 'VM.GuestAgent.Audit')],
    ],
    [
      'an entry above that does not propagate decides nothing',
      agent,
      { userLacks: true, acl: [forUser('/', 'Far'), forUser('/vms', 'Near', 0)] },
      [append('Far', 'VM.GuestAgent.Audit')],
    ],
    [
      'the one that user and token share',
      agent,
      { userLacks: true, acl: [forUser('/', 'Shared'), forToken('/', 'Shared')] },
      [append('Shared', 'VM.GuestAgent.Audit')],
    ],
    [
      "the token's, where only the token lacks it",
      agent,
      { userLacks: false, acl: [forUser('/', 'Users'), forToken('/', 'Tokens')] },
      [append('Tokens', 'VM.GuestAgent.Audit')],
    ],
    [
      'several privileges of one role, in one line',
      ['/vms/9000 VM.PowerMgmt', '/vms/9900 VM.Clone'],
      { userLacks: true, acl: [forUser('/vms', 'Vms')] },
      [append('Vms', 'VM.Clone,VM.PowerMgmt')],
    ],
    [
      'several roles, a line each',
      ['/vms/9000 VM.PowerMgmt', '/storage/tank Datastore.AllocateSpace'],
      { userLacks: true, acl: [forUser('/vms', 'Vms'), forUser('/storage', 'Stores')] },
      [append('Vms', 'VM.PowerMgmt'), append('Stores', 'Datastore.AllocateSpace')],
    ],
  ])('%s', (_, missing, holders, lines) => {
    expect(pveumLines(missing.map(grant), needs, { ...unknown, ...holders })).toEqual(lines)
  })
})

describe('where no role can be changed, one of our own is made with all the work needs there', () => {
  const ownRole = `pveum role add ProxmintBuild -privs '${vmPrivileges}'`
  const both = [
    ownRole,
    `pveum acl modify /vms -user '${user}' -role ProxmintBuild`,
    `pveum acl modify /vms -token '${token}' -role ProxmintBuild`,
  ]
  const tokenAlone = [ownRole, `pveum acl modify /vms -token '${token}' -role ProxmintBuild`]

  test.each<[string, Partial<Holders>, string[]]>([
    ['nothing is known: both', {}, both],
    ['the user lacks it: both', { userLacks: true }, both],
    ['the user has it: its token alone', { userLacks: false }, tokenAlone],
    [
      'the user has it, whatever its role is: its token alone',
      { userLacks: false, acl: [forUser('/', 'TerraformProv')] },
      tokenAlone,
    ],
    ['no token: the user', { token: undefined, userLacks: true }, both.slice(0, 2)],
    ["Proxmox's own role", { userLacks: true, acl: [forUser('/', 'PVEVMAdmin')] }, both],
    ['NoAccess', { userLacks: true, acl: [forUser('/', 'NoAccess')] }, both],
    ['Administrator', { userLacks: true, acl: [forUser('/', 'Administrator')] }, both],
    [
      'user and token have different roles, and both lack it',
      { userLacks: true, acl: [forUser('/', 'Users'), forToken('/', 'Tokens')] },
      both,
    ],
    [
      'the entry is of somebody else',
      { userLacks: true, acl: [{ ...forUser('/', 'X'), ugid: 'jo@pve' }] },
      both,
    ],
    [
      'the entry is on a path that only begins alike',
      { userLacks: true, acl: [forUser('/vms/900', 'Vms')] },
      both,
    ],
    ['the entry is elsewhere', { userLacks: true, acl: [forUser('/storage', 'Stores')] }, both],
  ])('%s', (_, holders, lines) => {
    expect(pveumLines(agent.map(grant), needs, { ...unknown, ...holders })).toEqual(lines)
  })

  test('several paths: one role, an entry on each', () => {
    const missing = ['/vms/9000 VM.PowerMgmt', '/storage/tank Datastore.AllocateSpace'].map(grant)
    expect(pveumLines(missing, needs, { ...unknown, userLacks: false })).toEqual([
      `pveum role add ProxmintBuild -privs 'Datastore.AllocateSpace,${vmPrivileges}'`,
      `pveum acl modify /storage/tank -token '${token}' -role ProxmintBuild`,
      `pveum acl modify /vms -token '${token}' -role ProxmintBuild`,
    ])
  })

  test('for one path, while another has a role that can be changed', () => {
    const missing = ['/vms/9000 VM.PowerMgmt', '/storage/tank Datastore.AllocateSpace'].map(grant)
    const holders: Holders = { ...unknown, token: undefined, userLacks: true, acl: [forUser('/vms', 'Vms')] }
    expect(pveumLines(missing, needs, holders)).toEqual([
      append('Vms', 'VM.PowerMgmt'),
      "pveum role add ProxmintBuild -privs 'Datastore.AllocateSpace'",
      `pveum acl modify /storage/tank -user '${user}' -role ProxmintBuild`,
    ])
  })
})

test('nothing is missing: no line', () => {
  expect(pveumLines([], needs, unknown)).toEqual([])
})

describe('who lacks it', () => {
  /** Answers by path; a number is the status of a refusal. */
  const client = (identity: string, answers: Record<string, unknown>): ProxmoxClient => ({
    identity,
    url: 'https://pve.example.net:8006/api2/json',
    request: async (method, path) => {
      const answer = answers[path]
      if (typeof answer !== 'number') return answer as never
      throw apiError({ method, path, identity, status: answer, reason: 'refused', body: '' })
    },
    upload: () => Promise.reject(new Error('nothing is uploaded here')),
    time: async () => undefined,
  })
  const acl = [forUser('/', 'TerraformProv')]
  const missing = agent.map(grant)

  test.each<[string, string, Record<string, unknown>, Partial<Holders>]>([
    [
      'the user has it',
      token,
      { '/access/permissions': { '/vms/9000': { 'VM.GuestAgent.Audit': 1 } }, '/access/acl': acl },
      { userLacks: false, acl },
    ],
    [
      'the user lacks it too',
      token,
      { '/access/permissions': {}, '/access/acl': acl },
      { userLacks: true, acl },
    ],
    [
      'it may not be asked',
      token,
      { '/access/permissions': 403, '/access/acl': 403 },
      { userLacks: undefined, acl: [] },
    ],
    [
      'there is no token: the user, unasked',
      user,
      { '/access/permissions': 500, '/access/acl': 403 },
      { token: undefined, userLacks: true, acl: [] },
    ],
  ])('%s', async (_, identity, answers, expected) => {
    expect(await findHolders(client(identity, answers), missing)).toEqual({ user, token, ...expected })
  })

  test('another failure is no unknown', async () => {
    const failing = client(token, { '/access/permissions': {}, '/access/acl': 500 })
    await expect(findHolders(failing, missing)).rejects.toThrow('GET /access/acl: 500 refused')
  })
})
