/** Many tokens with one request, on servers that take it and on those that do not. */
import { readFile } from 'node:fs/promises'
import { AbiCoder } from 'ethers'
import { expect, test } from 'vitest'
import { credentialInterface } from '../../../scripts/lib/chain/contract.mts'
import { readCredentials } from '../../../scripts/lib/chain/credential.mts'
import { type Rpc, type RpcAnswer, refused } from '../../../scripts/lib/chain/rpc.mts'

const contract = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const owner = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const expiresAt = 1_900_000_000
const coder = AbiCoder.defaultAbiCoder()
const { bytecode } = JSON.parse(
  await readFile(new URL('../../../contracts/build/CredentialReader.json', import.meta.url), 'utf8'),
)
const tokenIds = Array.from({ length: 450 }, (_, index) => String(index))

type Call = { to?: string; data: string }

const nonexistent = {
  code: 3,
  message: 'execution reverted',
  data: credentialInterface.encodeErrorResult('ERC721NonexistentToken', [7]),
}

/**
 * Has every token but 7. Counts its requests.
 * @param together what it answers to a call without a recipient, for the ids that were asked for.
 */
function chain(together: (asked: bigint[]) => RpcAnswer<string>) {
  const counts = { together: 0, each: 0 }
  const ask = async <T,>(_: string, [call]: unknown[] = []): Promise<RpcAnswer<T>> => {
    const { to, data } = call as Call
    if (to === undefined) {
      counts.together += 1
      return together(idsIn(data)) as RpcAnswer<T>
    }
    counts.each += 1
    const asked = credentialInterface.parseTransaction({ data })!
    if (asked.args[0] === 7n) return { fault: nonexistent }
    const facts = coder.encode(['bytes', 'string', 'uint256', 'uint256'], ['0x', 'text', 0, expiresAt])
    return { result: (asked.name === 'ownerOf' ? coder.encode(['address'], [owner]) : facts) as T }
  }
  const call = async <T,>(method: string, params?: unknown[]): Promise<T> => {
    const answer = await ask<T>(method, params)
    if ('fault' in answer) throw refused(method, answer.fault)
    return answer.result
  }
  return { rpc: { chainId: 5, ask, call } satisfies Rpc, counts }
}

function idsIn(data: string): bigint[] {
  const [, ids] = coder.decode(['address', 'uint256[]'], `0x${data.slice(bytecode.length)}`)
  return [...ids]
}

const readable = (ids: bigint[]): RpcAnswer<string> => {
  const facts = ids.flatMap(id => (id === 7n ? [0n, 0n] : [BigInt(owner), BigInt(expiresAt)]))
  return { result: coder.encode(['uint256[]'], [facts]) }
}
const expected = new Map(
  tokenIds.map(tokenId => [tokenId, tokenId === '7' ? undefined : { tokenId, owner, expiresAt }]),
)

test('two hundred at a time; one that cannot be read so is asked for by itself', async () => {
  const { rpc, counts } = chain(readable)
  expect(await readCredentials(rpc, contract, tokenIds)).toEqual(expected)
  expect(counts).toEqual({ together: 3, each: 1 })
})

test('a single one is asked for by itself', async () => {
  const { rpc, counts } = chain(readable)
  expect(await readCredentials(rpc, contract, ['1'])).toEqual(new Map([['1', expected.get('1')]]))
  expect(counts).toEqual({ together: 0, each: 2 })
})

test.each<[string, RpcAnswer<string>]>([
  ['refuses a call without a recipient', { fault: { code: -32602, message: 'missing "to"' } }],
  ['has less gas for a call', { fault: { code: -32000, message: 'out of gas' } }],
  ['knows no initcode', { result: '0x' }],
  ['answers something else', { result: coder.encode(['uint256[]'], [[1, 2]]) }],
])('a server that %s is asked for each, and not again for many', async (_, answer) => {
  const { rpc, counts } = chain(() => answer)
  expect(await readCredentials(rpc, contract, tokenIds)).toEqual(expected)
  expect(counts).toEqual({ together: 1, each: 2 * tokenIds.length - 1 })
})

test('a server that stops early is believed in what it read alone', async () => {
  const { rpc, counts } = chain(ids => {
    const facts = ids.flatMap((_, index) => (index < 100 ? [BigInt(owner), BigInt(expiresAt)] : [0n, 0n]))
    return { result: coder.encode(['uint256[]'], [facts]) }
  })
  const some = tokenIds.slice(10, 210)
  expect(await readCredentials(rpc, contract, some)).toEqual(
    new Map(some.map(tokenId => [tokenId, expected.get(tokenId)])),
  )
  expect(counts).toEqual({ together: 1, each: 200 })
})
