/** Which servers have to confirm a token before its id is used. */
import { expect, test } from 'vitest'
import { credentialInterface } from '../../../scripts/lib/chain/contract.mts'
import { type Rpc, type RpcAnswer, refused } from '../../../scripts/lib/chain/rpc.mts'
import type { Settling } from '../../../scripts/lib/chain/settle.mts'
import { requireMintedToken } from '../../../scripts/lib/chain/witness.mts'
import { failureOf } from '../failure.mts'

const contract = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const wallet = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const claimed = { contract, wallet, machineId: 'web-1', tokenId: '7', decryptMessage: 'ours' }

type Answer = 'ours' | 'other' | 'missing' | 'silent'

/** A server that has our token under the id, another one, or none. */
function server(...answers: Answer[]): Rpc {
  const ask = async <T,>(_: string, [call]: unknown[] = []): Promise<RpcAnswer<T>> => {
    const { name } = credentialInterface.parseTransaction(call as { data: string })!
    const answer = answers.length > 1 && name === 'ownerOf' ? answers.shift()! : answers[0]!
    if (answer === 'silent') throw new Error('it does not answer')
    if (name === 'totalSupply') return { result: credentialInterface.encodeFunctionResult(name, [7]) as T }
    if (answer === 'missing') {
      const data = credentialInterface.encodeErrorResult('ERC721NonexistentToken', [7])
      return { fault: { code: 3, message: 'execution reverted', data } }
    }
    const values = name === 'ownerOf' ? [wallet] : ['0x', answer, 1, 0]
    return { result: credentialInterface.encodeFunctionResult(name, values) as T }
  }
  const call = async <T,>(method: string, params?: unknown[]): Promise<T> => {
    const answer = await ask<T>(method, params)
    if ('fault' in answer) throw refused(method, answer.fault)
    return answer.result
  }
  return { chainId: 5, ask, call }
}

const confirm = (...witnesses: Rpc[]): Promise<void> =>
  requireMintedToken({ witnesses, pollMs: 1, timeoutMs: 50 } as unknown as Settling, claimed)

test.each<[string, Rpc[]]>([
  ['one server', [server('ours')]],
  ['a server that lags behind', [server('missing', 'missing', 'ours')]],
  ['two of three', [server('ours'), server('silent'), server('ours')]],
])('%s confirms a token', async (_, witnesses) => {
  await confirm(...witnesses)
})

test.each<[string, Rpc[]]>([
  ['the only server', [server('other')]],
  ['one of three', [server('ours'), server('other'), server('ours')]],
])('a token that %s has with another text is refused', async (_, witnesses) => {
  expect(await failureOf(() => confirm(...witnesses))).toMatchObject({
    message: 'token 7 is not the one that was minted for web-1',
    facts: { 'on the chain': `a token of ${wallet} with another text` },
  })
})

test.each<[string, Rpc[]]>([
  ['one of two', [server('ours'), server('silent')]],
  ['none', [server('missing')]],
])('a token that %s confirms is kept for the next run', async (_, witnesses) => {
  expect(await failureOf(() => confirm(...witnesses))).toMatchObject({
    message: expect.stringContaining('too few RPC servers confirm it'),
    hint: expect.stringContaining('run the same command again'),
  })
})
