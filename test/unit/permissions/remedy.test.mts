import { describe, expect, test } from 'vitest'
import { comparePermissions, type PermissionReport } from '../../../scripts/lib/permissions/compare.mts'
import type { AclEntry } from '../../../scripts/lib/permissions/deciding-roles.mts'
import {
  findHolders,
  type Holders,
  type Standing,
  unknownHolders,
} from '../../../scripts/lib/permissions/holders.mts'
import type { Grant } from '../../../scripts/lib/permissions/needs.mts'
import { pveumLines } from '../../../scripts/lib/permissions/remedy.mts'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'

const user = 'terraform@pve'
const token = 'terraform@pve!terraform-token'

const grant = (text: string): Grant => {
  const [path = '', privilege = ''] = text.split(' ')
  return { path, privilege }
}

/** Report in which all of it is missing. */
function lacking(...missing: string[]): PermissionReport {
  const needs = missing.map(text => ({ purpose: 'test', alternatives: [[grant(text)]] }))
  return comparePermissions(token, 9, needs, new Map())
}

const forUser = (path: string, roleid: string, propagate: 0 | 1 = 1): AclEntry => ({
  path,
  type: 'user',
  ugid: user,
  roleid,
  propagate,
})
const forToken = (path: string, roleid: string): AclEntry => ({
  ...forUser(path, roleid),
  type: 'token',
  ugid: token,
})
const forGroup = (path: string, roleid: string): AclEntry => ({
  ...forUser(path, roleid),
  type: 'group',
  ugid: 'ops',
})

/** Holders with a readable ACL. */
function known(changed: Partial<Standing>, userLacks: boolean | undefined = true): Holders {
  const standing = { acl: [], groups: [], privsep: false, ...changed }
  return { user, token, userLacks, hasNothing: false, standing }
}

const append = (role: string, privileges: string) =>
  `pveum role modify ${role} -append 1 -privs '${privileges}'`

const agent = ['/vms/9000 VM.GuestAgent.Audit']

describe('a role that decides and can be changed gets what it lacks', () => {
  test.each<[string, string[], Holders, string[]]>([
    [
      "the user's, above the path",
      agent,
      known({ acl: [forUser('/', 'TerraformProv')] }),
      [append('TerraformProv', 'VM.GuestAgent.Audit')],
    ],
    [
      'the nearest of two',
      agent,
      known({ acl: [forUser('/', 'Far'), forUser('/vms', 'Near')] }),
      [append('Near', 'VM.GuestAgent.Audit')],
    ],
    [
      'on the path itself, propagating or not',
      agent,
      known({ acl: [forUser('/vms/9000', 'Own', 0)] }),
      [append('Own', 'VM.GuestAgent.Audit')],
    ],
    [
      'an entry above that does not propagate decides nothing',
      agent,
      known({ acl: [forUser('/', 'Far'), forUser('/vms', 'Near', 0)] }),
      [append('Far', 'VM.GuestAgent.Audit')],
    ],
    [
      "a group's",
      agent,
      known({ acl: [forGroup('/', 'Ops')], groups: ['ops'] }),
      [append('Ops', 'VM.GuestAgent.Audit')],
    ],
    [
      "the user's, which replaces the group's on the same path",
      agent,
      known({ acl: [forGroup('/', 'Ops'), forUser('/', 'Own')], groups: ['ops'] }),
      [append('Own', 'VM.GuestAgent.Audit')],
    ],
    [
      'the one that user and token share',
      agent,
      known({ acl: [forUser('/', 'Shared'), forToken('/', 'Shared')], privsep: true }),
      [append('Shared', 'VM.GuestAgent.Audit')],
    ],
    [
      "the token's, if only the token lacks it",
      agent,
      known({ acl: [forUser('/', 'Users'), forToken('/', 'Tokens')], privsep: true }, false),
      [append('Tokens', 'VM.GuestAgent.Audit')],
    ],
    [
      'several privileges of one role, in one line',
      ['/vms/9000 VM.PowerMgmt', '/vms/9900 VM.Clone'],
      known({ acl: [forUser('/vms', 'Vms')] }),
      [append('Vms', 'VM.Clone,VM.PowerMgmt')],
    ],
    [
      'several roles, a line each',
      ['/vms/9000 VM.PowerMgmt', '/storage/tank Datastore.AllocateSpace'],
      known({ acl: [forUser('/vms', 'Vms'), forUser('/storage', 'Stores')] }),
      [append('Stores', 'Datastore.AllocateSpace'), append('Vms', 'VM.PowerMgmt')],
    ],
  ])('%s', (_, missing, holders, lines) => {
    expect(pveumLines([lacking(...missing)], holders)).toEqual(lines)
  })
})

describe('without such a role, one of our own is given beside those that decide', () => {
  const ownRole =
    "pveum role add Proxmint -privs 'VM.GuestAgent.Audit' 2>/dev/null || pveum role modify Proxmint -append 1 -privs 'VM.GuestAgent.Audit'"

  test.each<[string, Holders, string]>([
    [
      "Proxmox's own role, inherited",
      known({ acl: [forUser('/', 'PVEVMAdmin')] }),
      `pveum acl modify /vms -user '${user}' -role PVEVMAdmin,Proxmint`,
    ],
    [
      'an entry on the path needs nothing besides',
      known({ acl: [forUser('/', 'PVEAdmin'), forUser('/vms', 'PVEVMUser')] }),
      `pveum acl modify /vms -user '${user}' -role Proxmint`,
    ],
    [
      'an entry of one VM',
      known({ acl: [forUser('/', 'PVEAdmin'), forUser('/vms/9000', 'PVEVMUser')] }),
      `pveum acl modify /vms/9000 -user '${user}' -role Proxmint`,
    ],
    [
      "a group's role, on the same path, which an entry of the user replaces",
      known({ acl: [forGroup('/vms', 'PVEVMAdmin')], groups: ['ops'] }),
      `pveum acl modify /vms -user '${user}' -role PVEVMAdmin,Proxmint`,
    ],
    [
      'only the token lacks it: its user gets no entry',
      known({ acl: [forUser('/', 'PVEVMAdmin'), forToken('/', 'PVEAuditor')], privsep: true }, false),
      `pveum acl modify /vms -token '${token}' -role PVEAuditor,Proxmint`,
    ],
    ['nothing is there', known({}), `pveum acl modify /vms -user '${user}' -role Proxmint`],
    [
      'the entry is of somebody else, or on a path that only begins alike',
      known({
        acl: [{ ...forUser('/', 'X'), ugid: 'jo@pve' }, forUser('/vms/900', 'Vms'), forGroup('/', 'X')],
      }),
      `pveum acl modify /vms -user '${user}' -role Proxmint`,
    ],
  ])('%s', (_, holders, line) => {
    expect(pveumLines([lacking(...agent)], holders)).toEqual([ownRole, line])
  })

  test('one role for all reports and paths, an entry on each path', () => {
    const reports = [lacking(...agent), lacking('/storage/tank Datastore.AllocateSpace', ...agent)]
    expect(pveumLines(reports, known({}))).toEqual([
      ownRole.replaceAll('VM.', 'Datastore.AllocateSpace,VM.'),
      `pveum acl modify /storage/tank -user '${user}' -role Proxmint`,
      `pveum acl modify /vms -user '${user}' -role Proxmint`,
    ])
  })
})

describe('what cannot be seen from here, or is denied, is decided by a script on the node', () => {
  const calls = (holders: Holders): string[] =>
    pveumLines([lacking(...agent)], holders).filter(line => /^(grant '|pveum user)/.test(line))
  const both = [user, token].flatMap(who =>
    ['/vms', '/vms/9000'].map(path => `grant '${who}' ${path} 'VM.GuestAgent.Audit'`),
  )

  test.each<[string, Holders, string[]]>([
    ['the ACL may not be read', unknownHolders(token), both],
    ['no token', unknownHolders(user), both.slice(0, 2)],
    ['the user has it', { ...unknownHolders(token), userLacks: false }, both.slice(2)],
    ['NoAccess', known({ acl: [forUser('/', 'NoAccess')] }), both.slice(0, 2)],
    [
      'an entry of a group that does not propagate',
      known({ acl: [{ ...forGroup('/vms', 'PVEAuditor'), propagate: 0 }], groups: ['ops'] }),
      both.slice(0, 2),
    ],
    ['NoAccess on a pool', known({ acl: [forUser('/pool/web', 'NoAccess')] }), both.slice(0, 2)],
    ['both lack it by roles of their own', known({ acl: [forUser('/', 'PVEAdmin')], privsep: true }), both],
    [
      'a token without any privilege: first its separation is ended',
      { ...unknownHolders(token), hasNothing: true },
      [`pveum user token modify '${user}' 'terraform-token' -privsep 0`, ...both.slice(0, 2)],
    ],
  ])('%s', (_, holders, expected) => {
    expect(calls(holders)).toEqual(expected)
  })
})

test('a name that holds a quote stays one word', () => {
  const lines = pveumLines([lacking(...agent)], unknownHolders("o'hara@ad!tok"))
  expect(lines).toContain("grant 'o'\\''hara@ad!tok' /vms 'VM.GuestAgent.Audit'")
})

test('nothing is missing: no line', () => {
  expect(pveumLines([lacking()], unknownHolders(token))).toEqual([])
})

describe('what is known about the holders', () => {
  /** Answers by path, or by path and its `path` parameter; a number is the status of a refusal. */
  const client = (identity: string, answers: Record<string, unknown>): ProxmoxClient => ({
    identity,
    url: 'https://pve.example.net:8006/api2/json',
    request: async (method, path, parameters) => {
      const { path: on, userid } = (parameters ?? {}) as Record<string, string | undefined>
      const answer = answers[[path, userid && 'of the user', on].filter(Boolean).join(' ')]
      if (typeof answer !== 'number') return answer as never
      throw apiError({ method, path, identity, status: answer, reason: 'refused', body: '' })
    },
    upload: () => Promise.reject(new Error('nothing is uploaded here')),
    time: async () => undefined,
  })
  const acl = [forUser('/', 'TerraformProv')]
  const missing = agent.map(grant)
  const mayRead = { '/access/permissions /access': { '/access': { 'Sys.Audit': 1 } }, '/access/acl': acl }
  const mayNot = { '/access/permissions /access': {}, '/access/acl': [] }
  const asUser = '/access/permissions of the user /vms/9000'
  const account = `/access/users/${encodeURIComponent(user)}`
  const own = { '/access/permissions': { '/': { 'VM.Audit': 1 } } }

  test.each<[string, string, Record<string, unknown>, Partial<Holders>]>([
    [
      'the user has it, and the token has privilege separation',
      token,
      {
        ...mayRead,
        ...own,
        [asUser]: { '/vms/9000': { 'VM.GuestAgent.Audit': 1 } },
        [account]: { groups: ['ops'], tokens: { 'terraform-token': { privsep: '1' } } },
      },
      { userLacks: false, standing: { acl, groups: ['ops'], privsep: true } },
    ],
    [
      'the user lacks it too',
      token,
      {
        ...mayRead,
        ...own,
        [asUser]: {},
        [account]: { groups: [], tokens: { 'terraform-token': { privsep: 0 } } },
      },
      { userLacks: true, standing: { acl, groups: [], privsep: false } },
    ],
    [
      'an empty list of entries without Sys.Audit says nothing',
      token,
      { ...mayNot, ...own, [asUser]: 403, [account]: 403 },
      { userLacks: undefined, standing: undefined },
    ],
    [
      'the groups may not be read',
      token,
      { ...mayRead, ...own, [asUser]: {}, [account]: 403 },
      { userLacks: true, standing: undefined },
    ],
    [
      'the token has nothing',
      token,
      { ...mayNot, '/access/permissions': {}, [asUser]: 403, [account]: 403 },
      { userLacks: undefined, hasNothing: true, standing: undefined },
    ],
    [
      'there is no token: the user, unasked',
      user,
      { ...mayNot, '/access/permissions': {} },
      { token: undefined, userLacks: true, standing: undefined },
    ],
  ])('%s', async (_, identity, answers, expected) => {
    const found = await findHolders(client(identity, answers), missing)
    expect(found).toEqual({ user, token, hasNothing: false, ...expected })
  })

  test('another failure is no unknown', async () => {
    const failing = client(token, { ...mayRead, ...own, [asUser]: {}, [account]: {}, '/access/acl': 500 })
    await expect(findHolders(failing, missing)).rejects.toThrow('GET /access/acl: 500 refused')
  })
})
