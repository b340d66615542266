import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { permissionsOn, rolesOn } from '../../pve/core/acl.mts'
import { parseUserCfg } from '../../pve/core/user-cfg.mts'

type Case = [authid: string, path: string, expected: string[] | string]
interface Fixture {
  config: string
  says: string
  roles?: Case[]
  privileges?: Case[]
}

const read = (name: string) => readFileSync(new URL(`../fixtures/acl/${name}`, import.meta.url), 'utf8')
const fixtures = parse(read('cases.yaml')) as Fixture[]

/** Written out here, so that a mistake in the roles of the lab cannot hide. */
const VM_ADMIN_9 = [
  ...['VM.Allocate', 'VM.Audit', 'VM.Backup', 'VM.Clone', 'VM.Config.CDROM', 'VM.Config.CPU'],
  ...['VM.Config.Cloudinit', 'VM.Config.Disk', 'VM.Config.HWType', 'VM.Config.Memory', 'VM.Config.Network'],
  ...['VM.Config.Options', 'VM.Console', 'VM.GuestAgent.Audit', 'VM.GuestAgent.FileRead'],
  ...['VM.GuestAgent.FileSystemMgmt', 'VM.GuestAgent.FileWrite', 'VM.GuestAgent.Unrestricted', 'VM.Migrate'],
  ...['VM.PowerMgmt', 'VM.Replicate', 'VM.Snapshot', 'VM.Snapshot.Rollback'],
]
const ALL_9 = [
  ...VM_ADMIN_9,
  ...['Datastore.Allocate', 'Datastore.AllocateSpace', 'Datastore.AllocateTemplate', 'Datastore.Audit'],
  ...['Group.Allocate', 'Mapping.Audit', 'Mapping.Modify', 'Mapping.Use', 'Permissions.Modify'],
  ...['Pool.Allocate', 'Pool.Audit', 'Realm.Allocate', 'Realm.AllocateUser', 'SDN.Allocate', 'SDN.Audit'],
  ...['SDN.Use', 'Sys.AccessNetwork', 'Sys.Audit', 'Sys.Console', 'Sys.Incoming', 'Sys.Modify'],
  ...['Sys.PowerMgmt', 'Sys.Syslog', 'User.Modify'],
]
const NAMED: Record<string, string[]> = { 'all-of:PVEVMAdmin': VM_ADMIN_9, 'all-of:Administrator': ALL_9 }
const namesOf = (expected: string[] | string) =>
  [...(typeof expected === 'string' ? NAMED[expected]! : expected)].sort()

describe.each(fixtures)('$config: $says', ({ config, roles = [], privileges = [] }) => {
  const access = parseUserCfg(read(config))

  test.each(roles)('%s has on %s the roles %j', (authid, path, expected) => {
    expect([...rolesOn(access, authid, path).keys()].sort()).toEqual(namesOf(expected))
  })

  test.each(privileges)('%s has on %s the privileges %j', (authid, path, expected) => {
    expect([...permissionsOn(access, 9, authid, path).keys()].sort()).toEqual(namesOf(expected))
  })
})

test('there are 35 cases', () => {
  expect(fixtures.flatMap(({ roles = [], privileges = [] }) => [...roles, ...privileges])).toHaveLength(35)
})

const privilegesOn = (cfg: string, authid: string, path: string) =>
  Object.fromEntries(permissionsOn(parseUserCfg(cfg), 9, authid, path))

describe('API tokens', () => {
  const cfg = `
user:ann@pve:1:0::::::
token:ann@pve!all:0:0::
token:ann@pve!some:0:1::
role:Read:VM.Audit:
role:Run:VM.Audit,VM.PowerMgmt:
role:Look:VM.Audit,VM.Console:
acl:1:/vms:ann@pve:Run:
acl:0:/vms/100:ann@pve!some:Look:
`
  test('without privilege separation they have what their owner has', () => {
    expect(privilegesOn(cfg, 'ann@pve!all', '/vms/100')).toEqual({ 'VM.Audit': true, 'VM.PowerMgmt': true })
  })

  test('with it, what both have; and it propagates only where both do', () => {
    expect(privilegesOn(cfg, 'ann@pve!some', '/vms/100')).toEqual({ 'VM.Audit': false })
    expect(privilegesOn(cfg, 'ann@pve!some', '/vms/101')).toEqual({})
  })

  test('a token nobody made has nothing', () => {
    expect(privilegesOn(cfg, 'ann@pve!other', '/vms/100')).toEqual({})
  })

  test('root@pam has everything, its separated token only what it was given', () => {
    const root = `${cfg}token:root@pam!ci:0:1::\nacl:1:/vms:root@pam!ci:Read:\n`
    expect(Object.keys(privilegesOn(root, 'root@pam', '/vms/100')).sort()).toEqual([...ALL_9].sort())
    expect(privilegesOn(root, 'root@pam!ci', '/vms/100')).toEqual({ 'VM.Audit': true })
    expect(privilegesOn(root, 'root@pam!ci', '/storage/tank')).toEqual({})
  })
})

describe('pools', () => {
  const cfg = (acl: string) => `
user:ann@pve:1:0::::::
role:Run:VM.PowerMgmt:
role:Read:VM.Audit:
pool:lab::100,101:tank:
${acl}`

  test("a pool's roles reach its members, and nothing else", () => {
    const given = cfg('acl:1:/pool/lab:ann@pve:Run:\nacl:1:/vms:ann@pve:Read:\n')
    expect(privilegesOn(given, 'ann@pve', '/vms/100')).toEqual({ 'VM.Audit': true, 'VM.PowerMgmt': false })
    expect(privilegesOn(given, 'ann@pve', '/vms/102')).toEqual({ 'VM.Audit': true })
    expect(privilegesOn(given, 'ann@pve', '/storage/tank')).toEqual({ 'VM.PowerMgmt': false })
  })

  test('NoAccess on the pool takes what the path gives', () => {
    const given = cfg('acl:1:/pool/lab:ann@pve:NoAccess:\nacl:1:/vms:ann@pve:Read:\n')
    expect(privilegesOn(given, 'ann@pve', '/vms/100')).toEqual({})
  })

  test('NoAccess on the path takes what the pool gives', () => {
    const given = cfg('acl:1:/pool/lab:ann@pve:Run:\nacl:1:/vms/100:ann@pve:NoAccess:\n')
    expect(privilegesOn(given, 'ann@pve', '/vms/100')).toEqual({})
  })
})
