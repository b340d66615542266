import { getAddress, ZeroAddress } from 'ethers'
import { credentialInterface } from './contract.mts'
import type { Rpc } from './rpc.mts'

/** A token that was minted, or that changed hands. */
export interface TokenEvent {
  block: number
  transaction: string
  kind: 'mint' | 'transfer'
  /** Decimal. */
  tokenId: string
  /** EIP-55; null for a mint. */
  from: string | null
  /** EIP-55. */
  to: string
}

interface RpcLog {
  blockNumber: string
  transactionHash: string
  topics: string[]
  data: string
}

/** Most servers answer for no more blocks at once. */
const BLOCKS_AT_ONCE = 2000

const transferTopic = credentialInterface.getEvent('Transfer')!.topicHash

/** Mints and transfers of a contract, in order. @param from, to block numbers, both included. */
export async function* readTransfers(
  rpc: Rpc,
  contract: string,
  from: number,
  to: number,
): AsyncGenerator<TokenEvent> {
  for (let first = from; first <= to; first += BLOCKS_AT_ONCE) {
    const last = Math.min(to, first + BLOCKS_AT_ONCE - 1)
    const filter = { address: contract, topics: [transferTopic], fromBlock: hex(first), toBlock: hex(last) }
    const logs = await rpc.call<RpcLog[]>('eth_getLogs', [filter])
    yield* logs.map(eventOf)
  }
}

function hex(block: number): string {
  return `0x${block.toString(16)}`
}

function eventOf({ blockNumber, transactionHash, topics, data }: RpcLog): TokenEvent {
  const { from, to, tokenId } = credentialInterface.decodeEventLog('Transfer', data, topics)
  const isMint = from === ZeroAddress
  return {
    block: Number(blockNumber),
    transaction: transactionHash,
    kind: isMint ? 'mint' : 'transfer',
    tokenId: String(tokenId),
    from: isMint ? null : getAddress(from),
    to: getAddress(to),
  }
}
