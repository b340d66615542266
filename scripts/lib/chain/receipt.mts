import type { Log } from 'ethers'

/** As JSON-RPC gives it; quantities are hex. */
export interface Receipt {
  transactionHash: string
  blockNumber: string
  blockHash: string
  status: string
  gasUsed: string
  /** Of a deployment. */
  contractAddress: string | null
  logs: Pick<Log, 'address' | 'topics' | 'data'>[]
}

/** What of a server's answer is worth keeping: without its bloom filter, which is longer than all else. */
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
