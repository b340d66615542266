import type { Log } from 'ethers'

/** Receipt of a transaction, as JSON-RPC returns it; quantities are hex. */
export interface Receipt {
  transactionHash: string
  blockNumber: string
  blockHash: string
  status: string
  gasUsed: string
  /** Address of a deployed contract; null for other transactions. */
  contractAddress: string | null
  logs: Pick<Log, 'address' | 'topics' | 'data'>[]
}

/** Receipt to store: without the bloom filter, which is longer than everything else. */
export function keptReceipt(receipt: Receipt): Receipt {
  const { transactionHash, blockNumber, blockHash, status, gasUsed, contractAddress, logs } = receipt
  return {
    transactionHash,
    blockNumber,
    blockHash,
    status,
    gasUsed,
    contractAddress,
    logs: logs.map(({ address, topics, data }) => ({ address, topics, data })),
  }
}
