/** How the events of a contract are read from servers that limit a request. */
import { expect, test } from 'vitest'
import { credentialInterface } from '../../../scripts/lib/chain/contract.mts'
import type { Rpc, RpcAnswer } from '../../../scripts/lib/chain/rpc.mts'
import { readTransfers } from '../../../scripts/lib/chain/transfers.mts'
import { failureOf } from '../failure.mts'

const contract = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const wallet = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'

/** Has a transfer in every hundredth block, and refuses a request for more than `most` blocks. */
function chain(most: number, code = -32602): { rpc: Rpc; asked: [number, number][] } {
  const asked: [number, number][] = []
  const ask = async <T,>(_: string, [filter]: unknown[] = []): Promise<RpcAnswer<T>> => {
    const { fromBlock, toBlock } = filter as { fromBlock: string; toBlock: string }
    const [from, to] = [Number(fromBlock), Number(toBlock)]
    asked.push([from, to])
    if (to - from + 1 > most) return { fault: { code, message: 'block range too large' } }
    const blocks = Array.from({ length: to - from + 1 }, (_, n) => from + n).filter(
      block => block % 100 === 0,
    )
    return { result: blocks.map(logIn) as T }
  }
  return { rpc: { chainId: 5, ask, call: () => Promise.reject(new Error('unused')) }, asked }
}

function logIn(block: number): object {
  const log = credentialInterface.encodeEventLog('Transfer', [wallet, wallet, block])
  return { blockNumber: `0x${block.toString(16)}`, transactionHash: '0x', ...log }
}

async function blocksOf(rpc: Rpc, from: number, to: number): Promise<number[]> {
  const blocks: number[] = []
  for await (const { block } of readTransfers(rpc, contract, from, to)) blocks.push(block)
  return blocks
}

test.each([1, 10, 500, 1000, 2000, 10_000])(
  'a server that allows %i blocks gives every event once',
  async most => {
    const { rpc, asked } = chain(most)
    expect(await blocksOf(rpc, 0, 4999)).toEqual(Array.from({ length: 50 }, (_, n) => n * 100))
    const refused = asked.filter(([from, to]) => to - from + 1 > most)
    expect(refused.length).toBeLessThan(12)
  },
)

test('a server that refuses one block, or has no events, ends it with its reason', async () => {
  for (const [{ rpc, asked }, requests] of [
    [chain(0), 11],
    [chain(0, -32601), 1],
  ] as const) {
    const failure = await failureOf(() => blocksOf(rpc, 0, 4999))
    expect(failure.message).toBe('the RPC server refuses eth_getLogs: block range too large')
    expect(asked).toHaveLength(requests)
  }
})
