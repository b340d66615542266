import { getAddress, ZeroAddress } from 'ethers'
import { credentialInterface } from './contract.mts'
import { type Rpc, refused } from './rpc.mts'

/** Mint or transfer of a token. */
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

/** Blocks of the first request. Many servers allow fewer, down to 10, and each says so in other words. */
const MOST_BLOCKS = 2000
/** JSON-RPC's code for a method that the server does not have. */
const NO_METHOD = -32601

const TRANSFER_TOPIC = credentialInterface.getEvent('Transfer')!.topicHash

/**
 * Reads mints and transfers of a contract, in order. If the server refuses a request, the next asks for half the blocks.
 * @param from, to block numbers, both included.
 * @throws ProxmintError if the server refuses a request for one block.
 */
export async function* readTransfers(
  rpc: Rpc,
  contract: string,
  from: number,
  to: number,
): AsyncGenerator<TokenEvent> {
  let blocks = MOST_BLOCKS
  for (let first = from; first <= to; ) {
    const last = Math.min(to, first + blocks - 1)
    const filter = { address: contract, topics: [TRANSFER_TOPIC], fromBlock: hex(first), toBlock: hex(last) }
    const answer = await rpc.ask<RpcLog[]>('eth_getLogs', [filter])
    if ('result' in answer) {
      yield* answer.result.map(eventOf)
      first = last + 1
    } else {
      blocks = Math.floor((last - first + 1) / 2)
      if (blocks === 0 || answer.fault.code === NO_METHOD) throw refused('eth_getLogs', answer.fault)
    }
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
