import { ProxmintError } from '../run/errors.mts'
import type { Rpc } from './rpc.mts'

/** Of a type 2 transaction, in wei per gas. */
export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

const ONE_GWEI = 1_000_000_000n

/** What gets a transaction into one of the next blocks: twice the base fee, which grows by an eighth a block at most. */
export async function currentFees(rpc: Rpc): Promise<Fees> {
  const [block, tip] = await Promise.all([
    rpc.call<{ baseFeePerGas?: string }>('eth_getBlockByNumber', ['latest', false]),
    rpc.ask<string>('eth_maxPriorityFeePerGas'),
  ])
  if (block.baseFeePerGas === undefined) {
    throw new ProxmintError(`chain ${rpc.chainId} has no base fee (EIP-1559)`, {
      hint: 'proxmint sends type 2 transactions only',
    })
  }
  const maxPriorityFeePerGas = 'result' in tip ? BigInt(tip.result) : ONE_GWEI
  return { maxFeePerGas: 2n * BigInt(block.baseFeePerGas) + maxPriorityFeePerGas, maxPriorityFeePerGas }
}

/** For the same nonce once more: nodes want at least a tenth more of both. */
export function bumpedFees(last: Fees, current: Fees): Fees {
  return {
    maxFeePerGas: larger(quarterMore(last.maxFeePerGas), current.maxFeePerGas),
    maxPriorityFeePerGas: larger(quarterMore(last.maxPriorityFeePerGas), current.maxPriorityFeePerGas),
  }
}

function quarterMore(fee: bigint): bigint {
  return (fee * 5n) / 4n + 1n
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
