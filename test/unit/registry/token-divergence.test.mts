import { expect, test } from 'vitest'
import {
  type AccessDesign,
  type Entry,
  tokenKey,
  type VmDesign,
} from '../../../scripts/lib/registry/entry.mts'
import { type SeenToken, tokenDivergencesOf } from '../../../scripts/lib/registry/token-divergence.mts'
import { entry, now } from './entries.mts'

const access = { chainId: 31337, contract: '0xC' } as AccessDesign
const owner = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const other = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

const vm = (changes: Partial<Entry> = {}) =>
  entry('web-1', {
    token: { status: 'minted', id: '0', transaction: '0x1' },
    design: { access } as VmDesign,
    ...changes,
  })
const seconds = (time: string) => Date.parse(time) / 1000
const agreed: SeenToken = { owner, expiresAt: seconds('2026-02-04T10:00:00.000Z') }

function found(one: Entry, token: SeenToken | undefined): string[] {
  const tokens = new Map([[tokenKey(one), token]])
  return tokenDivergencesOf({ entries: [one], tokens, now }).map(
    ({ what, fix }) => `${what} (${fix ?? 'nothing'})`,
  )
}

test.each<[string, Entry, SeenToken | undefined, string[]]>([
  ['both agree', vm(), agreed, []],
  ['a fraction of a second is none', vm({ expiresAt: '2026-02-04T10:00:00.900Z' }), agreed, []],
  [
    'a transfer',
    vm(),
    { ...agreed, owner: other },
    [`token 0 is held by ${other}, not by ${owner}: it was transferred (take the owner over)`],
  ],
  [
    'an extension that the chain was not told',
    vm(),
    { ...agreed, expiresAt: seconds('2026-01-20T00:00:00Z') },
    [
      'the chain says that token 0 expires 2026-01-20T00:00:00.000Z, not 2026-02-04T10:00:00.000Z (tell the chain)',
    ],
  ],
  ['no such token', vm(), undefined, ['token 0 is not on chain 31337 (nothing)']],
  [
    'a VM that is gone, and its token',
    vm({ phase: 'destroyed' }),
    { owner, expiresAt: now.getTime() / 1000 },
    [],
  ],
  [
    'a VM that is gone, whose token is not',
    vm({ phase: 'destroyed' }),
    { owner, expiresAt: 0 },
    ['the VM is destroyed, but the chain says that token 0 expires never (tell the chain)'],
  ],
])('%s', (_, one, token, expected) => {
  expect(found(one, token)).toEqual(expected)
})

test('of a token that could not be asked for nothing is said', () => {
  expect(tokenDivergencesOf({ entries: [vm()], tokens: new Map(), now })).toEqual([])
})
