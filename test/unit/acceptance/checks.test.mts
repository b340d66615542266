import { describe, expect, test } from 'vitest'
import { checks, judge } from '../../../scripts/lib/acceptance/checks.mts'
import type { CloneEvidence, Evidence } from '../../../scripts/lib/acceptance/evidence.mts'
import type { Inspection } from '../../../scripts/lib/acceptance/inspection.mts'

const gibibyte = 2 ** 30

function inspection(changes: Partial<Inspection> = {}): Inspection {
  return {
    cloudInit: { exitCode: 0, status: 'done', errors: [], recoverable: {} },
    machineId: 'a'.repeat(32),
    hostName: 'test-1',
    hostKeys: ['ssh-ed25519 AAAA1'],
    rootBytes: 4 * gibibyte,
    ports: [22],
    packageFaults: [],
    packages: ['adduser 3.134 all'],
    leftovers: [],
    ...changes,
  }
}

function clone(changes: Partial<CloneEvidence> = {}): CloneEvidence {
  return {
    vmid: 9001,
    name: 'test-1',
    down: undefined,
    agent: true,
    addresses: ['192.168.1.5/24'],
    wantedAddress: undefined,
    refused: undefined,
    inside: inspection(),
    ...changes,
  }
}

const first = clone()
const second = clone({
  vmid: 9002,
  name: 'test-2',
  addresses: ['192.168.1.6/24'],
  inside: inspection({
    machineId: 'b'.repeat(32),
    hostName: 'test-2',
    hostKeys: ['ssh-ed25519 AAAA2'],
    rootBytes: 3 * gibibyte,
  }),
})

function evidence(changes: Partial<Evidence> = {}): Evidence {
  return {
    settings: { login: 'ssh', user: 'proxmint', agent: true, ports: [22], packages: 'dpkg' },
    disks: { scsi0: 'tank:base-9000-disk-0' },
    clones: [first, second],
    grownBytes: gibibyte,
    ownNetwork: true,
    bootSeconds: 300,
    ...changes,
  }
}

const seen = (one: CloneEvidence, changes: Partial<Inspection>): CloneEvidence => ({
  ...one,
  inside: { ...one.inside!, ...changes },
})
const firstSeen = (changes: Partial<Inspection>): Partial<Evidence> => ({
  clones: [seen(first, changes), second],
})
const secondSeen = (changes: Partial<Inspection>): Partial<Evidence> => ({
  clones: [first, seen(second, changes)],
})
const cloudInit = (changes: Partial<Inspection['cloudInit']>): Partial<Evidence> =>
  firstSeen({ cloudInit: { exitCode: 0, status: 'done', errors: [], recoverable: {}, ...changes } })
const left = (...leftovers: [kind: string, path: string][]): Partial<Evidence> =>
  secondSeen({ leftovers: leftovers.map(([kind, path]) => ({ kind, path })) })

/** The faults of the checks that fail, without why and fix. */
function faultsOf(changes: Partial<Evidence>): Record<string, string> {
  const failed = judge(evidence(changes)).filter(check => !check.passed)
  return Object.fromEntries(failed.map(({ name, detail }) => [name, detail.split('. Why: ')[0]!]))
}

test('a template that is as it should be passes every check there is', () => {
  expect(judge(evidence()).map(({ name, passed }) => [name, passed])).toEqual(
    checks.map(({ name }) => [name, true]),
  )
})

test('a failure says what was found, why it matters and what to do', () => {
  const [failure] = judge(evidence(firstSeen({ machineId: 'b'.repeat(32) }))).filter(check => !check.passed)
  expect(failure).toEqual({
    name: 'machine-id',
    passed: false,
    detail: `both are ${'b'.repeat(32)}: the VM template keeps /etc/machine-id. Why: machines with one machine-id get the same DHCP lease and mix up their journals. Fix: in the clean-up: \`truncate -s 0 /etc/machine-id\`, \`rm -f /var/lib/dbus/machine-id\``,
  })
})

describe('fails:', () => {
  test.each<[string, Partial<Evidence>, Record<string, string>]>([
    [
      'a linked clone on ZFS',
      { disks: { scsi0: 'tank:base-9900-disk-0/base-9000-disk-0' } },
      { 'full-clone': 'scsi0 is tank:base-9900-disk-0/base-9000-disk-0, a linked clone' },
    ],
    [
      'a linked clone in files',
      { disks: { scsi0: 'local:9900/base-9900-disk-0.qcow2/9000/base-9000-disk-0.qcow2' } },
      {
        'full-clone':
          'scsi0 is local:9900/base-9900-disk-0.qcow2/9000/base-9000-disk-0.qcow2, a linked clone',
      },
    ],
    [
      'a clone that is off',
      {
        clones: [
          clone({ down: 'it powered itself off', agent: undefined, addresses: [], inside: undefined }),
          second,
        ],
      },
      { boots: 'VM 9001: it powered itself off' },
    ],
    [
      'an agent that is silent',
      { clones: [first, { ...second, agent: false, addresses: [], inside: undefined }] },
      { agent: 'VM 9002 did not answer within 300 s' },
    ],
    [
      'no address',
      { clones: [{ ...first, addresses: [] }, second] },
      { address: 'VM 9001 has none, wanted one by DHCP' },
    ],
    [
      'one address for both',
      { clones: [first, { ...second, addresses: ['10.0.0.1/8', '192.168.1.5/24'], inside: undefined }] },
      { address: 'both have 192.168.1.5/24, as by DHCP machines with one machine-id do' },
    ],
    [
      'another address than it was given',
      { clones: [{ ...first, wantedAddress: '192.168.1.250/24' }, second] },
      { address: 'VM 9001 has 192.168.1.5/24, wanted 192.168.1.250/24' },
    ],
    [
      'a key that is refused',
      { clones: [first, { ...second, inside: undefined, refused: 'Permission denied (publickey).' }] },
      { login: 'VM 9002: Permission denied (publickey).' },
    ],
    ['an error of cloud-init', cloudInit({ exitCode: 1, errors: ['users'] }), { 'cloud-init': 'users' }],
    [
      'a warning beside a deprecation',
      cloudInit({ exitCode: 2, recoverable: { DEPRECATED: ['user'], WARNING: ['no keys'] } }),
      { 'cloud-init': 'WARNING: no keys' },
    ],
    [
      'degraded for no reason it tells',
      cloudInit({ exitCode: 2, status: 'degraded done' }),
      { 'cloud-init': 'it ended with 2 (degraded done)' },
    ],
    [
      'no cloud-init',
      cloudInit({ exitCode: 127, status: 'no answer' }),
      { 'cloud-init': 'it ended with 127 (no answer)' },
    ],
    ['no machine-id', firstSeen({ machineId: '' }), { 'machine-id': 'a clone has none' }],
    [
      'a machine-id for D-Bus alone',
      left(['dbus-machine-id', '/var/lib/dbus/machine-id']),
      { 'machine-id': 'the VM template keeps /var/lib/dbus/machine-id' },
    ],
    [
      'host keys in common',
      firstSeen({ hostKeys: ['ssh-rsa AAAA0', 'ssh-ed25519 AAAA2'] }),
      { 'host-keys': 'both have the ssh-ed25519 key' },
    ],
    [
      'host keys on the disk of the template',
      left(['host-keys', '/etc/ssh/ssh_host_rsa_key']),
      { 'host-keys': 'the VM template keeps /etc/ssh/ssh_host_rsa_key' },
    ],
    [
      'a root file system that stays as it was',
      firstSeen({ rootBytes: 3 * gibibyte }),
      { 'disk-grows': 'the disk grew by 1024 MiB, the file system by 0 MiB' },
    ],
    [
      'a host name of its own',
      firstSeen({ hostName: 'debian' }),
      { 'host-name': 'test-1 calls itself debian' },
    ],
    ['no host name', firstSeen({ hostName: '' }), { 'host-name': 'test-1 calls itself nothing' }],
    [
      'what is left of the build login, by kind',
      left(
        ['authorized-keys', '/home/a/.ssh/authorized_keys'],
        ['build-user', 'packer'],
        ['password', 'root'],
      ),
      {
        'build-login': 'build-user (packer), authorized-keys (/home/a/.ssh/authorized_keys), password (root)',
      },
    ],
    ['a port more', secondSeen({ ports: [22, 5355] }), { ports: 'port 5355 listens' }],
    [
      'a broken package',
      secondSeen({ packageFaults: ['vim is half installed'] }),
      { packages: 'vim is half installed' },
    ],
    [
      'traces of the build',
      left(['journal', '/var/log/journal/x'], ['package-cache', '/a.deb'], ['package-cache', '/b.deb']),
      { clean: 'package-cache (/a.deb and 1 more), journal (/var/log/journal/x)' },
    ],
  ])('%s', (_, changes, faults) => {
    expect(faultsOf(changes)).toEqual(faults)
  })
})

describe('passes:', () => {
  test.each<[string, Partial<Evidence>]>([
    ['deprecations alone', cloudInit({ exitCode: 2, recoverable: { DEPRECATED: ['user'] } })],
    ['no deprecation worth another exit code', cloudInit({ recoverable: { DEPRECATED: ['user'] } })],
    ['1 % that the file system keeps for itself', firstSeen({ rootBytes: 3 * gibibyte + 0.98 * gibibyte })],
    ['the address it was given', { clones: [{ ...first, wantedAddress: '192.168.1.5/24' }, second] }],
    ['no port at all', { clones: [seen(first, { ports: [] }), seen(second, { ports: [] })] }],
    ['a disk in files', { disks: { virtio0: 'local:9000/base-9000-disk-0.qcow2' } }],
  ])('%s', (_, changes) => {
    expect(faultsOf(changes)).toEqual({})
  })
})

describe('is left out where there is nothing to judge it by:', () => {
  const names = (changes: Partial<Evidence>): string[] => judge(evidence(changes)).map(({ name }) => name)
  const outside: [CloneEvidence, CloneEvidence] = [
    { ...first, inside: undefined },
    { ...second, inside: undefined },
  ]

  test('what is inside, where nobody can log in', () => {
    expect(names({ clones: outside })).toEqual(['full-clone', 'boots', 'agent', 'address'])
  })

  test('the agent and what it would tell, where the family has none', () => {
    const settings = { ...evidence().settings, agent: false, login: 'none' as const }
    const clones = outside.map(one => ({ ...one, agent: undefined })) as [CloneEvidence, CloneEvidence]
    expect(names({ settings, clones })).toEqual(['full-clone', 'boots'])
  })

  test('ports, where guests share the network of this machine', () => {
    expect(names({ ownNetwork: false })).not.toContain('ports')
  })
})
