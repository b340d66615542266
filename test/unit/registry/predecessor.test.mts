import { expect, test } from 'vitest'
import { readPredecessor } from '../../../scripts/lib/registry/predecessor.mts'
import { failureOf } from '../failure.mts'
import { now } from './entries.mts'

const vm = (changes: object = {}) => ({
  vm_name: 'web-1',
  vmid: 101,
  ip_address: '192.168.122.201',
  expires_at: '2026-02-01T00:00:00',
  owner: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
  status: 'active',
  created_at: '2026-01-01T00:00:00+00:00',
  purpose: 'web',
  ...changes,
})

const poolOf = (name: string) => ({ name, prefix: 64, gateway: undefined, dns: [] })

const read = (file: object) =>
  readPredecessor(
    JSON.stringify(file),
    address => (address.startsWith('192.168.122.') ? poolOf('default') : undefined),
    now,
  )

test('takes over a VM with its numbers, its owner and its token', () => {
  const { entries, conflicts } = read({
    vms: { 'web-1': vm() },
    nft_tokens: { '7': { status: 'minted', vm_name: 'web-1' } },
  })
  expect(conflicts).toEqual([])
  expect(entries).toEqual([
    {
      name: 'web-1',
      id: expect.any(String),
      phase: 'active',
      vmid: 101,
      pool: 'default',
      address: '192.168.122.201',
      node: null,
      owner: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
      expiresAt: '2026-02-01T00:00:00.000Z',
      template: null,
      token: { status: 'minted', id: '7', transaction: null },
      design: null,
      purpose: 'web',
      failure: null,
      createdAt: '2026-01-01T00:00:00.000Z',
      history: [{ at: now.toISOString(), what: 'imported from a vms.json' }],
    },
  ])
})

test.each([
  ['reserved', { status: 'reserved', id: null, transaction: null }],
  ['failed', { status: 'failed', id: null, transaction: null }],
])('takes the guessed id of a %s token for none', (status, token) => {
  const { entries } = read({ vms: { 'web-1': vm() }, nft_tokens: { '0': { status, vm_name: 'web-1' } } })
  expect(entries[0]?.token).toEqual(token)
})

test('leaves destroyed VMs out, whatever they look like', () => {
  expect(read({ vms: { old: { status: 'destroyed' } } })).toEqual({ entries: [], conflicts: [] })
})

test.each([
  ['web_1', {}, '"web_1" is not a VM name'],
  ['web-2', {}, 'web-2: its vm_name is web-1'],
  ['web-1', { vmid: 'x' }, 'web-1: its vmid is x'],
  ['web-1', { ip_address: '192.168.122.999' }, 'web-1: its ip_address is 192.168.122.999'],
  ['web-1', { ip_address: '10.0.0.1' }, 'web-1: its address 10.0.0.1 is in no pool of config/db.yaml'],
  ['web-1', { status: 'lost' }, 'web-1: its status is lost'],
  ['web-1', { expires_at: 'soon' }, 'web-1: its expires_at is soon'],
])('reports a conflict of %s %o', (name, changes, conflict) => {
  const { entries, conflicts } = read({ vms: { [name]: vm(changes) } })
  expect(conflicts).toContain(conflict)
  expect(entries).toEqual([])
})

test('reports tokens without a VM, and several for one', () => {
  const { conflicts } = read({
    vms: { 'web-1': vm() },
    nft_tokens: { '1': { vm_name: 'web-1' }, '2': { vm_name: 'web-1' }, '3': { vm_name: 'gone' } },
  })
  expect(conflicts).toEqual(['web-1: it has the tokens 1 and 2', 'token 3: its VM gone is not in the file'])
})

const wallet = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

test("keeps tokens and wallets of the successor's file", () => {
  const { entries, conflicts } = read({
    vms: {
      'web-1': vm({ owner: 'admin', wallet_address: wallet }),
      'web-2': vm({
        vm_name: 'web-2',
        vmid: 102,
        ip_address: '192.168.122.202',
        nft_token_id: 9,
        nft_minted: true,
      }),
    },
    reserved_nft_tokens: {
      '6': { status: 'failed', vm_name: 'web-1' },
      '7': { status: 'minted', vm_name: 'web-1', owner_wallet: wallet },
    },
  })
  expect(conflicts).toEqual([])
  expect(entries).toMatchObject([
    { name: 'web-1', owner: wallet, token: { status: 'minted', id: '7' } },
    { name: 'web-2', token: { status: 'minted', id: '9' } },
  ])
  expect(entries[0]!.history.map(({ what }) => what)).toContain('its owner was admin')
})

test('two minted tokens of one VM are a conflict, wherever they stand', () => {
  const file = { vms: { 'web-1': vm({ nft_token_id: 8, nft_minted: true }) } }
  const tokens = { reserved_nft_tokens: { '7': { status: 'minted', vm_name: 'web-1' } } }
  expect(read({ ...file, ...tokens })).toEqual({
    entries: [],
    conflicts: ['web-1: it has the tokens 7 and 8'],
  })
})

test('an IPv6 address beside an IPv4 address is kept if it is in a pool, and in the history alone if not', () => {
  const file = { vms: { 'web-1': vm({ ipv6_address: 'fd00::0005/128' }) } }
  const { entries, conflicts } = read(file)
  expect(conflicts).toEqual([])
  expect(entries[0]).toMatchObject({ address: '192.168.122.201' })
  expect(entries[0]!.history.at(-1)?.what).toBe('its ipv6_address was fd00::5')
  expect(readPredecessor(JSON.stringify(file), () => poolOf('six'), now).entries).toMatchObject([
    {
      address: '192.168.122.201',
      addresses: [{ card: 0, pool: 'six', address: 'fd00::5', prefix: 64, gateway: null, dns: [] }],
    },
  ])
  const alone = { vms: { 'web-1': vm({ ip_address: null, ipv6_address: 'fd00::5' }) } }
  expect(readPredecessor(JSON.stringify(alone), () => poolOf('six'), now).entries).toMatchObject([
    { address: 'fd00::5', pool: 'six' },
  ])
})

test.each<[unknown, string]>([
  [null, 'a: it is null, not a VM'],
  [3, 'a: it is 3, not a VM'],
  [[], 'a: it is [], not a VM'],
  ['x', 'a: it is x, not a VM'],
  [{}, 'a: its vmid is undefined'],
  [vm({ vm_name: 'a', ip_address: 7 }), 'a: its ip_address is 7'],
  [vm({ vm_name: 'a', ip_address: null }), 'a: its ip_address is null'],
  [vm({ vm_name: 'a', ipv6_address: 'x' }), 'a: its ipv6_address is x'],
  [vm({ vm_name: 'a', expires_at: 5 }), 'a: its expires_at is 5'],
  [vm({ vm_name: 'a', status: 'constructor' }), 'a: its status is constructor'],
  [vm({ vm_name: 'a', wallet_address: 'alice' }), 'a: its wallet_address is alice'],
  [vm({ vm_name: 'a', nft_token_id: 'x', nft_minted: true }), 'a: its token id is x'],
])('names what is wrong with %j', (value, conflict) => {
  const { entries, conflicts } = read({
    vms: { a: value, b: vm({ vm_name: 'b' }) },
    nft_tokens: { '1': null },
  })
  expect(conflicts).toContain(conflict)
  expect(entries.map(({ name }) => name)).toEqual(['b'])
})

test.each(['', '[]', '{}', 'null', '{"vms":3}', '{"vms":[]}', '{"vms":null}'])('refuses %s', async text => {
  expect(await failureOf(async () => readPredecessor(text, () => poolOf('default'), now))).toMatchObject({
    message: 'the file is not a vms.json of the predecessor: it has no object `vms`',
    exitCode: 3,
  })
})
