import { describe, expect, test } from 'vitest'
import type { Entry } from '../../../scripts/lib/registry/entry.mts'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { givenDifferences, givenText, requireGiven } from '../../../scripts/lib/vm/plan/given.mts'
import { wishesOf, wishesWith } from '../../../scripts/lib/vm/plan/wishes.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'

const spec = {
  ...{ name: 'vm', summary: '', usage: '', positionals: 0, uses: [], writes: [], example: '' },
  options: createFlags(),
}
const wishes = (line: string) => wishesOf(parseArguments(spec, line.split(' ').filter(Boolean)))

const made = entry('web-1', {
  ...{ node: 'pve', owner: null, token: null, purpose: 'shop' },
  history: [{ at: '2026-01-05T10:00:00.000Z', what: 'created' }],
  design: {
    ...{ template: { vmid: 9000, node: 'pve' }, storage: 'tank', access: null, agentTimeout: '10m' },
    ...{ cores: 2, memory: 2048, disk: 10, cpuType: 'x86-64-v2-AES', tags: ['proxmint-test', 'web'] },
    network: { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null },
    cloudInit: {
      ...{ template: 'devbox', delivery: 'snippet', storage: 'local' },
      ...{ username: 'admin', sshAuthorizedKeys: [] },
    },
  },
})
const said = (line: string, vm: Entry = made) =>
  givenDifferences(vm, wishes(line)).map(one => givenText(vm, one))

test.each([
  '',
  '--memory 2048 --cpu 2 --disk 10 --cpu-type x86-64-v2-AES',
  '--template debian --cloud-init devbox --username admin --no-web3',
  '--node pve --pool default --ip 192.168.122.230 --vmid 150',
  '--node auto --tags web --purpose shop --expiry-days 30',
  '--expiry-days 10',
])('a VM that has all that was given: %s', line => {
  expect(said(line)).toEqual([])
})

test.each(['--expiry-days never', '--expiry-days 90'])('a VM without an end has it: %s', line => {
  expect(said(line, { ...made, expiresAt: null })).toEqual([])
})

test.each([
  ['--memory 4096', 'memory: given 4096, web-1 has 2048'],
  ['--cpu 4', 'cpu: given 4, web-1 has 2'],
  ['--numa off', 'numa: given no, of web-1 it is not known'],
  ['--owner Ada', 'owner: given Ada, web-1 has none'],
  ['--var port=80', 'var: given port=80, of web-1 it is not known'],
  ['--disk 20', 'disk: given 20, web-1 has 10'],
  ['--cpu-type host', 'cpu-type: given host, web-1 has x86-64-v2-AES'],
  ['--template ubuntu', 'template: given ubuntu, web-1 has debian'],
  ['--template-vmid 9001', 'template-vmid: given 9001, of web-1 it is not known'],
  ['--node pve2', 'node: given pve2, web-1 has pve'],
  ['--pool lan', 'pool: given lan, web-1 has default'],
  ['--ip 192.168.122.231', 'ip: given 192.168.122.231, web-1 has 192.168.122.230'],
  ['--vmid 151', 'vmid: given 151, web-1 has 150'],
  ['--tags web production', 'tags: given web, production, web-1 has proxmint-test, web'],
  ['--purpose db', 'purpose: given db, web-1 has shop'],
  ['--username root2', 'username: given root2, web-1 has admin'],
  ['--expiry-days 90', 'expiry-days: given 90, web-1 has 30 days'],
  ['--expiry-days never', 'expiry-days: given never, web-1 has 30 days'],
  [
    '--owner-wallet 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
    'owner-wallet: given 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, web-1 has no wallet',
  ],
  ['--skip-mint', 'skip-mint: given yes, of web-1 it is not known'],
])('%s is named', (line, text) => {
  expect(said(line)).toEqual([text])
})

test('an imported VM has nothing that was given: nobody knows it', () => {
  expect(said('--memory 2048', { ...made, design: null })).toEqual([
    'memory: given 2048, of web-1 it is not known',
  ])
})

test('a changed key of a fleet file is named as well', () => {
  const fleet = wishesWith(wishes(''), { memory: 8192, cpu: 2 })
  expect(givenDifferences(made, fleet)).toEqual([{ flag: 'memory', given: '8192', has: '2048' }])
})

describe('the refusal', () => {
  const refusal = (line: string, vm: Entry = made) => failureOf(async () => requireGiven(vm, wishes(line)))

  test('names every option, and what can be done', async () => {
    expect(await refusal('--memory 4096 --cpu 4')).toMatchObject({
      message:
        'web-1 exists, and differs from what was given:\n  - cpu: given 4, web-1 has 2\n  - memory: given 4096, web-1 has 2048',
      hint: expect.stringContaining('zx scripts/vm.mts change web-1 --cpu ... --memory ... --plan-only'),
      exitCode: 3,
    })
  })

  test('of a longer life names `vm extend`', async () => {
    const { hint } = await refusal('--expiry-days 90')
    expect(hint).toBe('nothing was changed; longer: zx scripts/vm.mts extend web-1 --days N')
  })

  test('of a VM that was only reserved says that nothing is lost', async () => {
    const { hint } = await refusal('--memory 4096', { ...made, phase: 'reserved', history: [] })
    expect(hint).toContain('it was only reserved, so nothing is lost: zx scripts/vm.mts destroy web-1')
  })
})

describe('cards', () => {
  const networks = [{}, { bridge: 'vmbr1', vlan: 40, firewall: true }]
  const withCards = { ...made, design: { ...made.design!, networks } }

  test('the same cards are no difference, others are', () => {
    expect(said('--network bridge=vmbr1 --network vlan=40')).toEqual([
      'network: given bridge=vmbr1, vlan=40, of web-1 it is not known',
    ])
    const { networks: given, ...others } = wishes('--network bridge=vmbr1,vlan=40,firewall=on')
    const same = { ...others, networks: [{}, ...given!] }
    expect(givenDifferences(withCards, same)).toEqual([])
    expect(said('--network vlan=40', withCards)).toEqual([
      'network: given vlan=40, web-1 has , bridge=vmbr1,vlan=40,firewall=on',
    ])
  })

  test.each([
    ['--network brige=vmbr1', '--network has no key `brige`; did you mean bridge?'],
    ['--network vlan=4095', '--network vlan=4095: vlan takes a whole number from 1 to 4094'],
    [
      '--network mac=01:00:5e:00:00:01',
      '--network mac=01:00:5e:00:00:01: mac takes a MAC address of one card',
    ],
    ['--network firewall=yes', '--network firewall=yes: firewall takes on or off'],
  ])('%s is refused', async (line, message) => {
    const failure = await failureOf(async () => wishes(line))
    expect(failure.message).toContain(message)
    expect(failure.exitCode).toBe(2)
  })
})
