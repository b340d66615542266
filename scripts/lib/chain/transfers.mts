import { getAddress, ZeroAddress } from 'ethers'
import { credentialInterface } from './contract.mts'
import type { Rpc } from './rpc.mts'

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

/** Most servers limit a request to this number of blocks. */
const BLOCKS_AT_ONCE = 2000

const TRANSFER_TOPIC = credentialInterface.getEvent('Transfer')!.topicHash

/** Reads mints and transfers of a contract, in order. @param from, to block numbers, both included. */
export async function* readTransfers(
  rpc: Rpc,
  contract: string,
  from: number,
  to: number,
): AsyncGenerator<TokenEvent> {
  for (let first = from; first <= to; first += BLOCKS_AT_ONCE) {
    const last = Math.min(to, first + BLOCKS_AT_ONCE - 1)
    const filter = { address: contract, topics: [TRANSFER_TOPIC], fromBlock: hex(first), toBlock: hex(last) }
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
