import { expect, test } from 'vitest'
import { builtInRoles, privilegesOf, unknownPrivilege } from '../../pve/core/privileges.mts'
import { normalizePath, parseUserCfg, writeUserCfg } from '../../pve/core/user-cfg.mts'

const CFG = `user:ann@pve:1:1893456000:Ann:Archer:ann@example.com:likes 100%25%3A cotton:key:
user:root@pam:1:0::::::

token:ann@pve!ci:1893456000:1:for the builds:

group:builders:ann@pve:those who build:

pool:lab:a pool:100,101:local,tank:

role:Run:VM.Audit,VM.PowerMgmt:

acl:1:/vms:@builders:Run:
acl:0:/vms/100:ann@pve!ci:PVEVMAdmin:
acl:1:/storage/tank:ann@pve:PVEDatastoreUser:
`

test('a file is read and written back unchanged', () => {
  expect(writeUserCfg(parseUserCfg(CFG))).toBe(CFG)
})

test('fields are decoded, subjects told apart', () => {
  const access = parseUserCfg(CFG)
  expect(access.users['ann@pve']).toMatchObject({
    enable: true,
    expire: 1893456000,
    comment: 'likes 100%: cotton',
  })
  expect(access.tokens['ann@pve!ci']).toEqual({
    expire: 1893456000,
    privsep: true,
    comment: 'for the builds',
  })
  expect(access.pools['lab']).toEqual({ comment: 'a pool', vms: [100, 101], storages: ['local', 'tank'] })
  expect(access.acl.map(entry => [entry.kind, entry.subject, entry.propagate])).toEqual([
    ['group', 'builders', true],
    ['token', 'ann@pve!ci', false],
    ['user', 'ann@pve', true],
  ])
})

test('root@pam is there even when the file does not name it', () => {
  expect(parseUserCfg('').users['root@pam']?.enable).toBe(true)
})

test('one line may name several subjects and roles', () => {
  const { acl } = parseUserCfg('acl:1:/vms:ann@pve,@builders:Run,Read:\n')
  expect(acl.map(({ subject, role }) => `${subject} ${role}`)).toEqual([
    'ann@pve Run',
    'ann@pve Read',
    'builders Run',
    'builders Read',
  ])
})

test.each([
  ['usr:ann@pve:1:', 'user.cfg line 2: expected user:, group:, role:, token:, acl: or pool: and an id'],
  ['role::VM.Audit:', 'user.cfg line 2: expected user:, group:, role:, token:, acl: or pool: and an id'],
  ['acl:1:/vms/1 0:ann@pve:Run:', "user.cfg line 2: '/vms/1 0' is not an ACL path"],
])('%s is refused by its line number', (line, message) => {
  expect(() => parseUserCfg(`\n${line}\n`)).toThrow(new Error(message))
})

test.each([
  ['/vms/100/', '/vms/100'],
  ['vms//100', '/vms/100'],
  ['/', '/'],
  ['', undefined],
  ['/vms/*', undefined],
])('the path %j is %j', (path, normal) => {
  expect(normalizePath(path)).toBe(normal)
})

test('PVE 9 has 47 privileges; VM.Monitor is only known to PVE 8', () => {
  expect(privilegesOf(9).size).toBe(47)
  expect(unknownPrivilege(9, ['VM.Audit', 'VM.Monitor'])).toBe('VM.Monitor')
  expect(unknownPrivilege(8, ['VM.Audit', 'VM.Monitor'])).toBeUndefined()
  expect(unknownPrivilege(8, ['VM.GuestAgent.Audit'])).toBe('VM.GuestAgent.Audit')
})

test('built-in roles differ with the version', () => {
  expect(builtInRoles(8)['PVEVMAdmin']).toContain('VM.Monitor')
  expect(builtInRoles(9)['PVEVMAdmin']).not.toContain('VM.Monitor')
  expect(builtInRoles(9)['PVEVMUser']).toContain('VM.GuestAgent.Audit')
  expect(builtInRoles(9)['PVEAdmin']).not.toContain('Mapping.Modify')
  expect(builtInRoles(9)['NoAccess']).toEqual([])
})
