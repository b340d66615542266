import { describe, expect, test } from 'vitest'
import { loadPools } from '../../../scripts/lib/config/pools.mts'
import { baseImages } from '../../../scripts/lib/doctor/areas/base-images.mts'
import { bridges } from '../../../scripts/lib/doctor/areas/bridges.mts'
import { chain } from '../../../scripts/lib/doctor/areas/chain.mts'
import { clock } from '../../../scripts/lib/doctor/areas/clock.mts'
import { config } from '../../../scripts/lib/doctor/areas/config.mts'
import { credentials } from '../../../scripts/lib/doctor/areas/credentials.mts'
import { disk } from '../../../scripts/lib/doctor/areas/disk.mts'
import { families } from '../../../scripts/lib/doctor/areas/families.mts'
import { logins } from '../../../scripts/lib/doctor/areas/logins.mts'
import { node } from '../../../scripts/lib/doctor/areas/node.mts'
import { loginPlan, nodeSsh, sshFault } from '../../../scripts/lib/doctor/areas/node-ssh.mts'
import { permissions } from '../../../scripts/lib/doctor/areas/permissions.mts'
import { registry } from '../../../scripts/lib/doctor/areas/registry.mts'
import { sshKeys } from '../../../scripts/lib/doctor/areas/ssh-keys.mts'
import { storages } from '../../../scripts/lib/doctor/areas/storages.mts'
import { templates } from '../../../scripts/lib/doctor/areas/templates.mts'
import { tools } from '../../../scripts/lib/doctor/areas/tools.mts'
import { type DoctorCheck, diagnosesOf } from '../../../scripts/lib/doctor/check.mts'
import { CHECKS } from '../../../scripts/lib/doctor/checks.mts'
import type { Diagnosis } from '../../../scripts/lib/doctor/diagnosis.mts'
import { doctorExitCode } from '../../../scripts/lib/doctor/doctor.mts'
import { formatDiagnoses } from '../../../scripts/lib/doctor/format.mts'
import type { Look } from '../../../scripts/lib/doctor/look.mts'
import { type Holders, unknownHolders } from '../../../scripts/lib/permissions/holders.mts'
import { asksOnce } from '../../../scripts/lib/proxmox/asks-once.mts'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import type { VmSummary } from '../../../scripts/lib/proxmox/list-vms.mts'
import { ProxmintError } from '../../../scripts/lib/run/errors.mts'
import type { WorkVerdict } from '../../../scripts/lib/site/work-permissions.mts'
import { noVersions } from '../../../scripts/lib/templates/version.mts'
import { version } from '../templates/sample.mts'

const gib = 2 ** 30
const lan = (await loadPools({})).pools['default']!
const current = version(1, {
  name: 'debian-1',
  copies: [{ vmid: 9000, node: 'pve', storage: 'tank', buildId: 'b' }],
})
const login = { identity: 'p@pve!t', version: '9.1.2', major: 9, minor: 1 }
const may = permission('vm create', [])

/** The user has the role Proxmint on `/`. */
const ofDocumentedRole: Holders = {
  ...unknownHolders(login.identity),
  userLacks: true,
  standing: {
    acl: [{ path: '/', type: 'user', ugid: 'p@pve', roleid: 'Proxmint', propagate: 1 }],
    groups: [],
    privsep: false,
  },
}

function permission(work: string, missing: string[]): Look<WorkVerdict> {
  const add = missing.map(privilege => ({ path: '/vms', privilege }))
  const need = { purpose: 'find it', alternatives: [add] }
  const report = {
    identity: login.identity,
    pveMajor: 9,
    granted: [],
    missing: missing.length === 0 ? [] : [{ need, add }],
    optional: [],
  }
  return {
    value: {
      work,
      verdict: {
        report,
        holders: missing.length === 0 ? undefined : ofDocumentedRole,
        pveum: missing.map(name => `pveum ${name}`),
      },
    },
  }
}

/** A check with what it found. */
interface Seen {
  check: DoctorCheck
  look: Look<unknown>
}

function seen<T>(check: DoctorCheck<T>, look: Look<T>): Seen {
  return { check, look }
}

const bases = (all: Look<VmSummary[]>): Seen =>
  seen(baseImages, {
    value: {
      families: [{ value: { os: 'debian', baseName: 'proxmint-base-debian-12' } }],
      vms: all,
      permissions: [may],
    },
  })

type TemplateFacts = Parameters<typeof templates.judge>[0]

const versions = (changed: Partial<TemplateFacts>): Seen =>
  seen(templates, {
    value: {
      lockfile: { value: { debian: { ...noVersions, current } } },
      defaultFamily: 'debian',
      vms: vms(['debian-1', 9000], ['proxmint-base-debian-12', 9900]),
      permissions: [may],
      ...changed,
    },
  })

const program = { name: 'sops', version: '3.13.3', rejected: [], fix: 'zx scripts/setup.mts --only sops' }

/** All is well. */
const well: Seen[] = [
  seen(tools, { value: [program] }),
  seen(disk, { value: [{ path: '/state', freeBytes: 9 * gib, writable: true }] }),
  seen(config, { value: [{ value: {} }] }),
  seen(credentials, { value: { node: 'pve', skipTlsVerify: false } }),
  seen(logins, { value: [{ value: login }] }),
  seen(clock, { value: -900 }),
  seen(permissions, { value: [may] }),
  seen(node, { value: { wanted: 'pve', found: [{ node: 'pve', status: 'online' }] } }),
  tank({ storage: 'tank', content: 'images', avail: 50 * gib, total: 100 * gib }),
  seen(bridges, {
    value: {
      node: 'pve',
      wanted: [{ bridge: 'vmbr0', setBy: '`bridge`' }],
      found: [{ iface: 'vmbr0' }],
      pools: [],
      permissions: [may],
    },
  }),
  seen(families, { value: [{ value: {} }] }),
  bases(vms(['debian-1', 9000], ['proxmint-base-debian-12', 9900])),
  versions({}),
  seen(nodeSsh, { value: { user: 'root', host: 'pve', unpinned: undefined } }),
  seen(sshKeys, { value: { configured: 1, own: undefined } }),
  seen(chain, { value: undefined }),
  seen(registry, { value: { registry: 'the registry', entries: 0, faults: [] } }),
]

/** All is well, but for what is changed. */
function diagnoses(...changed: Seen[]): Diagnosis[] {
  const all = well.map(one => changed.find(({ check }) => check === one.check) ?? one)
  return all.flatMap(({ check, look }) => diagnosesOf(check, look))
}

/** The storages, of which `tank` is needed. */
function tank(...found: object[]): Seen {
  const wanted = [{ storage: 'tank', contents: ['images'], setBy: 'proxmox_storage_pool' }]
  const facts = { identity: login.identity, node: 'pve', wanted, found: found as never }
  return seen(storages, { value: { ...facts, permissions: [may] } })
}

/** VMs of a node that does not answer. */
function unknownVms(...all: number[]): Look<VmSummary[]> {
  return { value: all.map(vmid => ({ vmid, node: 'pve', status: 'unknown' })) }
}

function vms(...all: [string, number][]): Look<VmSummary[]> {
  return {
    value: all.map(([name, vmid]) => ({ name, vmid, node: 'pve', status: 'stopped', template: 1 })),
  }
}

const notOk = (...changed: Seen[]): Diagnosis[] => diagnoses(...changed).filter(({ level }) => level !== 'ok')

const error = new ProxmintError('it broke', { facts: { where: 'here' }, hint: 'mend it', exitCode: 3 })

test('all is well: one line per area, exit code 0', () => {
  const findings = diagnoses()
  expect(well.map(({ check }) => check)).toEqual(CHECKS)
  expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
  expect(new Set(findings.map(({ area }) => area)).size).toBe(17)
  expect(doctorExitCode(findings)).toBe(0)
  expect(formatDiagnoses(findings)).toMatch(/^ok {5}tools {8}sops 3\.13\.3\n[\s\S]*\n\nall is well$/)
})

describe('what a missing privilege hides is no fault of its own', () => {
  const without = (path: string, privilege: string): Look<WorkVerdict>[] => {
    const look = permission('vm create', [privilege])
    if (!('value' in look)) throw look
    const missing = look.value.verdict.report.missing.map(({ need }) => ({
      need,
      add: [{ path, privilege }],
    }))
    const report = { ...look.value.verdict.report, missing }
    return [{ value: { ...look.value, verdict: { ...look.value.verdict, report } } }]
  }
  const wanted = [{ storage: 'tank', contents: ['images'], setBy: 'proxmox_storage_pool' }]

  test.each<[string, Seen, string]>([
    [
      'a bridge',
      seen(bridges, {
        value: {
          ...{ node: 'pve', wanted: [{ bridge: 'vmbr0', setBy: '`b`' }], found: [] },
          pools: [],
          permissions: without('/sdn/zones/localnetwork/vmbr0', 'SDN.Use'),
        },
      }),
      'not looked at: vmbr0: SDN.Use is missing, so it may be there without being seen',
    ],
    [
      'a storage',
      seen(storages, {
        value: {
          ...{ identity: login.identity, node: 'pve', wanted, found: [] },
          permissions: without('/storage/tank', 'Datastore.AllocateSpace'),
        },
      }),
      'not looked at: tank: a privilege is missing, so it may be there without being seen',
    ],
    [
      'a VM template on a node that is off',
      versions({ vms: unknownVms(9000) }),
      'not looked at: VM 9000, which is to be debian-1: pve says nothing about it',
    ],
    [
      'a base VM that may be on a node that is off',
      bases(unknownVms(9900)),
      'not looked at: proxmint-base-debian-12, of debian, may be on pve, which says nothing about its VMs',
    ],
  ])('%s', (_, changed, what) => {
    expect(notOk(changed)).toEqual([{ area: changed.check.area, level: 'unknown', what }])
  })
})

test('each use of a storage that cannot hold all of them is judged by itself', () => {
  const found = [
    { storage: 'tank', type: 'zfspool', content: 'images', avail: 50 * gib, total: 100 * gib },
    { storage: 'local', type: 'dir', content: 'iso,import', avail: 50 * gib, total: 100 * gib },
  ]
  const wanted = [
    { storage: 'tank', contents: ['images'], setBy: 'proxmox_storage_pool' },
    { storage: 'tank', contents: ['iso', 'import'], setBy: 'image_storage' },
  ]
  const facts = { identity: login.identity, node: 'pve', wanted, found, permissions: [may] }
  expect(notOk(seen(storages, { value: facts })).map(({ fix }) => fix)).toEqual([
    'a storage of type zfspool cannot hold it: name local in image_storage',
  ])
})

test('certificates that are not checked are a note', () => {
  expect(notOk(seen(credentials, { value: { node: 'pve', skipTlsVerify: true } }))).toEqual([
    {
      area: 'credentials',
      level: 'note',
      what: expect.stringContaining('proxmox_skip_tls_verify is true'),
      fix: expect.stringContaining('proxmox_ca_file'),
    },
  ])
})

test('what several works lack is one fault, with one remedy', () => {
  const looks = [permission('base import', ['VM.Audit']), permission('vm create', ['VM.Audit', 'VM.Clone'])]
  expect(notOk(seen(permissions, { value: looks }))).toEqual([
    {
      area: 'permissions',
      level: 'fault',
      what: 'p@pve!t lacks privileges for `base import`, `vm create`:\n  /vms: VM.Audit (find it)\n  /vms: VM.Clone (find it)',
      fix: "as root on a node:\n  pveum role modify Proxmint -append 1 -privs 'VM.Audit,VM.Clone'",
      denied: true,
    },
  ])
})

describe('each fault, with its fix', () => {
  test.each<[string, Seen, Partial<Diagnosis>]>([
    [
      'a tool that is too old',
      seen(tools, {
        value: [{ name: 'age', version: undefined, rejected: ['/bin/age 0.9: older'], fix: 'zx setup' }],
      }),
      { area: 'tools', facts: { 'found 1': '/bin/age 0.9: older' }, fix: 'zx setup' },
    ],
    [
      'a full disk here',
      seen(disk, { value: [{ path: '/state', freeBytes: gib / 8, writable: true }] }),
      { area: 'disk', what: '/state: 0.1 GiB free' },
    ],
    [
      'a folder of somebody else',
      seen(disk, { value: [{ path: '/a b', freeBytes: gib, writable: false }] }),
      { area: 'disk', fix: `sudo chown -R "$USER" '/a b'` },
    ],
    [
      'a broken config, told once',
      seen(config, { value: [{ error }, { error }] }),
      { area: 'config', what: 'it broke', facts: { where: 'here' }, fix: 'mend it', denied: false },
    ],
    ['faulty credentials', seen(credentials, { error }), { area: 'credentials', denied: true }],
    [
      'an old Proxmox VE',
      seen(logins, { value: [{ value: { ...login, version: '8.3.1', major: 8, minor: 3 } }] }),
      { area: 'Proxmox VE', what: 'it is 8.3.1', fix: 'update it to 8.4 or newer' },
    ],
    [
      "Proxmox's clock ahead",
      seen(clock, { value: 120_400 }),
      { area: 'clock', what: "Proxmox's clock is 120 s ahead of that of this machine" },
    ],
    [
      'a missing privilege',
      seen(permissions, { value: [permission('vm create', ['VM.Clone']), may] }),
      {
        area: 'permissions',
        what: 'p@pve!t lacks privileges for `vm create`:\n  /vms: VM.Clone (find it)',
        fix: "as root on a node:\n  pveum role modify Proxmint -append 1 -privs 'VM.Clone'",
        denied: true,
      },
    ],
    [
      'a node that is off',
      seen(node, { value: { wanted: 'pve', found: [{ node: 'pve', status: 'offline' }] } }),
      { area: 'node', what: 'pve is offline' },
    ],
    [
      'a node that is not there',
      seen(node, { value: { wanted: 'pve7', found: [{ node: 'pve', status: 'online' }] } }),
      {
        area: 'node',
        what: 'unknown node pve7; did you mean pve?',
        fix: 'correct proxmox_node in the credentials',
      },
    ],
    [
      'a storage that is not there',
      tank(),
      { area: 'storages', what: 'node pve has no storage tank that p@pve!t can see' },
    ],
    [
      'a storage that does not take disks',
      tank({ storage: 'tank', content: 'iso', avail: 50 * gib, total: 90 * gib }),
      { area: 'storages', fix: 'as root on a node: pvesm set tank --content iso,images' },
    ],
    [
      'a storage that is full',
      tank({ storage: 'tank', content: 'images', avail: gib / 2, total: 100 * gib }),
      { area: 'storages', what: 'tank: 0.5 of 100.0 GiB free' },
    ],
    [
      'a storage that is not active',
      tank({ storage: 'tank', content: 'images', active: 0 }),
      { area: 'storages', what: 'tank is not active' },
    ],
    [
      'a bridge that is not there',
      seen(bridges, {
        value: {
          node: 'pve',
          wanted: [{ bridge: 'vmbr7', setBy: '`b`' }],
          found: [{ iface: 'vmbr0' }],
          pools: [],
          permissions: [may],
        },
      }),
      {
        area: 'bridges',
        what: 'node pve has no bridge vmbr7',
        fix: 'correct `b`, or give the identity SDN.Use on it',
      },
    ],
    [
      'a template that breaks a rule',
      seen(families, { value: [{ error }] }),
      { area: 'families', what: 'it broke' },
    ],
    [
      'a current version that is not in Proxmox',
      versions({ vms: vms(['proxmint-base-debian-12', 9900]) }),
      { area: 'templates', what: 'VM 9000 on pve is to be debian-1, current, and is not in Proxmox' },
    ],
    [
      'a VM template with another name',
      versions({ vms: vms(['proxmint-base-debian-12', 9900], ['web', 9000]) }),
      { area: 'templates', what: 'VM 9000 on pve is to be debian-1, current, and is named web' },
    ],
    [
      'a revoked current version',
      versions({
        lockfile: {
          value: { debian: { ...noVersions, current: { ...current, revoked: { reason: 'CVE', at: '' } } } },
        },
      }),
      { area: 'templates', what: 'debian-1, the current version of debian, is revoked: CVE' },
    ],
    ['no SSH to the node', seen(nodeSsh, { error }), { area: 'node SSH', what: 'it broke' }],
    [
      'a chain that does not answer',
      seen(chain, { value: { contract: { error }, signer: { lacks: 'the chain' } } }),
      { area: 'chain', what: 'it broke' },
    ],
    [
      'a signer without money',
      seen(chain, {
        value: {
          contract: { value: { chainId: 1, contract: '0x1', profile: 'v0.4' } },
          signer: { value: { address: '0x2', balanceWei: 0n } },
        },
      }),
      { area: 'chain', what: 'the signer 0x2 has nothing to pay for mints with' },
    ],
    [
      'a registry that contradicts itself',
      seen(registry, { value: { registry: 'r', entries: 2, faults: ['web: twice'] } }),
      { area: 'registry', what: 'web: twice' },
    ],
  ])('%s', (_, changed, expected) => {
    const found = notOk(changed)
    expect(found).toMatchObject([{ level: 'fault', ...expected }])
    expect(found[0]!.fix).toBeTruthy()
    expect(doctorExitCode(found)).toBe(expected.denied === true ? 4 : 1)
  })
})

describe('what is only not done yet, or soon a fault, is a note', () => {
  test.each<[string, Seen, Partial<Diagnosis>]>([
    [
      'a pool outside of its bridge’s network',
      seen(bridges, {
        value: {
          ...{ node: 'pve', wanted: [], found: [{ iface: 'vmbr0', cidr: '192.168.1.9/24' }] },
          permissions: [may],
          pools: [{ pool: lan, bridge: 'vmbr0' }],
        },
      }),
      {
        area: 'bridges',
        what: 'the pool default is in 192.168.122.0/24, and the bridge vmbr0 is in 192.168.1.0/24',
        fix: 'correct the pool in config/db.yaml; VMs that have an address of it keep it',
      },
    ],
    [
      'no SSH key for new VMs',
      seen(sshKeys, { value: { configured: 0, own: undefined } }),
      {
        area: 'SSH keys',
        fix: 'make one with `ssh-keygen -t ed25519`, or set ssh_authorized_keys in config/vm.yaml',
      },
    ],
    [
      'a base VM that is not imported',
      bases(vms(['debian-1', 9000])),
      { area: 'base images', fix: 'zx scripts/base.mts import debian-12' },
    ],
    [
      'no version yet',
      versions({ lockfile: { value: {} } }),
      { area: 'templates', fix: 'zx scripts/build.mts debian' },
    ],
    [
      'a retired version that is gone',
      versions({
        lockfile: {
          value: { debian: { ...noVersions, current, retired: [{ ...current, name: 'debian-0' }] } },
        },
      }),
      { area: 'templates', fix: 'zx scripts/templates.mts prune debian' },
    ],
    [
      'a storage that is nearly full',
      tank({ storage: 'tank', content: 'images', avail: 9 * gib, total: 100 * gib }),
      { area: 'storages' },
    ],
    [
      'a disk here that is nearly full',
      seen(disk, { value: [{ path: '/state', freeBytes: gib / 2, writable: true }] }),
      { area: 'disk' },
    ],
  ])('%s', (_, changed, expected) => {
    const found = notOk(changed)
    expect(found).toMatchObject([{ level: 'note', ...expected }])
    expect(doctorExitCode(found)).toBe(0)
  })
})

test('without VM.Audit nothing is said to be missing', () => {
  const denied = [permission('build debian', ['VM.Audit'])]
  const found = notOk(
    seen(permissions, { value: denied }),
    seen(baseImages, { value: { families: [], vms: vms(), permissions: denied } }),
    versions({ vms: vms(), permissions: denied }),
  )
  expect(found.map(({ area, level }) => [area, level])).toEqual([
    ['permissions', 'fault'],
    ['base images', 'unknown'],
    ['templates', 'unknown'],
  ])
  expect(doctorExitCode(found)).toBe(4)
})

test('what could not be looked at is said once per area', () => {
  const lacks = { lacks: 'nobody could be asked' }
  const found = notOk(
    seen(logins, { value: [{ error }, { error }] }),
    seen(permissions, { value: [lacks, lacks] }),
    bases(lacks),
    versions({ vms: lacks }),
  )
  expect(found.map(({ area, level }) => `${area} ${level}`)).toEqual([
    'Proxmox VE fault',
    'permissions unknown',
    'base images unknown',
    'templates unknown',
  ])
})

describe('SSH to the node', () => {
  const plan = loginPlan({ user: 'root', host: 'pve', privateKey: 'KEY\n' })
  const failed = (stderr: string, timedOut = false) =>
    sshFault({ user: 'root', host: 'pve' }, { code: 255, stdout: '', stderr, timedOut })

  test('the key is in no argument, and its host key is noted nowhere', () => {
    expect(plan.input).toBe('KEY\n')
    expect(plan.args.join(' ')).not.toContain('KEY')
    expect(plan.args).toContain('UserKnownHostsFile=/dev/null')
  })

  test.each([
    ['Host key verification failed.', 'ssh-keygen -R pve'],
    ['root@pve: Permission denied (publickey).', '~root/.ssh/authorized_keys'],
    ['sudo: a password is required', 'NOPASSWD'],
    ['Error loading key "(stdin)": invalid format', 'without a passphrase'],
    ['ssh: connect to host pve port 22: Connection refused', 'port 22'],
    ['something else', 'ssh root@pve'],
  ])('%s', (stderr, hint) => {
    expect(failed(stderr)).toMatchObject({ facts: { ssh: stderr }, hint: expect.stringContaining(hint) })
  })

  test('a host key that is not pinned is a note, with the line that pins it', () => {
    const login = { user: 'root', host: '192.0.2.10', unpinned: ['ssh-ed25519 AAAA', 'ssh-rsa BBBB'] }
    expect(notOk(seen(nodeSsh, { value: login }))).toEqual([
      {
        area: 'node SSH',
        level: 'note',
        what: 'the SSH host key of 192.0.2.10 is not pinned: the first key that is seen there is trusted',
        fix: expect.stringMatching(
          /compare it with .* on the node[\s\S]*\nproxmox_ssh_host_key: ssh-ed25519 AAAA$/,
        ),
      },
    ])
  })

  test('pinned keys alone count', () => {
    const { args } = loginPlan({ user: 'root', host: 'pve', privateKey: 'KEY\n' }, '/pinned')
    expect(args).toEqual(
      expect.arrayContaining(['StrictHostKeyChecking=yes', 'GlobalKnownHostsFile="/pinned"']),
    )
    const refused = { code: 255, stdout: '', stderr: 'Host key verification failed.', timedOut: false }
    expect(sshFault({ user: 'root', host: 'pve' }, refused, true)?.hint).toContain('proxmox_ssh_host_key')
  })

  test('no answer in time', () => {
    expect(failed('', true)?.hint).toContain('firewall')
  })
})

test('the same question goes to Proxmox once', async () => {
  const asked: string[] = []
  const request = async (_: string, path: string) => void asked.push(path)
  const client = asksOnce({ request } as unknown as ProxmoxClient)
  await Promise.all(['/a', '/a', '/b'].map(path => client.request('GET', path, { x: 1 })))
  expect(asked).toEqual(['/a', '/b'])
})
