/** What the chain says of a token, and what it does not say. */
import { AbiCoder } from 'ethers'
import { expect, test } from 'vitest'
import { credentialInterface } from '../../../scripts/lib/chain/contract.mts'
import { readCredential, readCredentials } from '../../../scripts/lib/chain/credential.mts'
import { estimateGas } from '../../../scripts/lib/chain/gas.mts'
import { type Rpc, type RpcAnswer, type RpcFault, refused } from '../../../scripts/lib/chain/rpc.mts'
import { failureOf } from '../failure.mts'

const contract = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const owner = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const nonexistent = credentialInterface.encodeErrorResult('ERC721NonexistentToken', [7])

/** Knows token 1 and that it is the second of two, and answers for every other with a fault. */
function chain(fault: RpcFault): Rpc {
  const coder = AbiCoder.defaultAbiCoder()
  const data = coder.encode(['bytes', 'string', 'uint256', 'uint256'], ['0x', 'text', 0, 1_900_000_000])
  const ask = async <T,>(_: string, [call]: unknown[] = []): Promise<RpcAnswer<T>> => {
    const asked = credentialInterface.parseTransaction(call as { data: string })
    if (asked?.name === 'totalSupply') return { result: coder.encode(['uint256'], [2]) as T }
    if (asked?.args[0] !== 1n) return { fault }
    return { result: (asked.name === 'ownerOf' ? coder.encode(['address'], [owner]) : data) as T }
  }
  const call = async <T,>(method: string, params?: unknown[]): Promise<T> => {
    const answer = await ask<T>(method, params)
    if ('fault' in answer) throw refused(method, answer.fault)
    return answer.result
  }
  return { chainId: 5, ask, call }
}

const reverts: [string, RpcFault][] = [
  ['its custom error', { code: 3, message: 'execution reverted', data: nonexistent }],
  ['words of an older contract', { code: -32000, message: 'execution reverted: ERC721: invalid token ID' }],
  ['words alone', { code: -32000, message: 'VM Exception: revert' }],
  ['data alone', { code: -32015, message: 'VM execution error.', data: `Reverted ${nonexistent}` }],
]

test.each(reverts)('a token that does not exist is told by %s', async (_, fault) => {
  expect([...(await readCredentials(chain(fault), contract, ['1', '7']))]).toEqual([
    ['1', { tokenId: '1', owner, expiresAt: 1_900_000_000 }],
    ['7', undefined],
  ])
  expect(await failureOf(() => readCredential(chain(fault), contract, '7'))).toMatchObject({
    message: 'token 7 does not exist on chain 5',
  })
})

test('a revert without the error of the contract does not make an existing token unknown', async () => {
  const fault = { code: -32000, message: 'execution reverted' }
  const said = { message: 'the RPC server refuses eth_call: execution reverted' }
  expect(await failureOf(() => readCredentials(chain(fault), contract, ['0', '1']))).toMatchObject(said)
  expect(await failureOf(() => readCredential(chain(fault), contract, '0'))).toMatchObject(said)
})

const faults: RpcFault[] = [
  { code: -32005, message: 'daily request count exceeded, request rate limited' },
  { code: -32603, message: 'internal error', data: { trace: '0x0' } },
  { code: -32000, message: 'missing trie node' },
]

test.each(faults)('a server that says $message says nothing of the token', async fault => {
  const said = { message: `the RPC server refuses eth_call: ${fault.message}`, facts: { code: fault.code } }
  expect(await failureOf(() => readCredentials(chain(fault), contract, ['1', '7']))).toMatchObject(said)
  expect(await failureOf(() => readCredential(chain(fault), contract, '7'))).toMatchObject(said)
})

test.each(faults)('a server that says $message says nothing of what a mint would do', async fault => {
  const call = { from: owner, to: contract, data: credentialInterface.encodeFunctionData('ownerOf', [7]) }
  expect(await failureOf(() => estimateGas(chain(fault), call, 'the mint for web-1'))).toMatchObject({
    message: `the RPC server does not estimate the gas of the mint for web-1: ${fault.message}`,
    facts: { code: fault.code },
  })
})
