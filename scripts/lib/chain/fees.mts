import { formatUnits } from 'ethers'
import { ProxmintError } from '../run/errors.mts'
import type { Rpc } from './rpc.mts'

/** Of a type 2 transaction, in wei per gas. */
export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

const ONE_GWEI = 1_000_000_000n

/**
 * What gets a transaction into one of the next blocks: twice the base fee, which grows by an eighth a block at most.
 * Of that only the block's own base fee is paid; the tip is paid in full, whoever named it.
 * @throws ProxmintError for a tip above `maxTipGwei`.
 */
export async function currentFees(rpc: Rpc, maxTipGwei: number): Promise<Fees> {
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
  if (maxPriorityFeePerGas > BigInt(Math.round(maxTipGwei * 1e9)))
    throw tipTooHigh(maxPriorityFeePerGas, maxTipGwei)
  return { maxFeePerGas: 2n * BigInt(block.baseFeePerGas) + maxPriorityFeePerGas, maxPriorityFeePerGas }
}

function tipTooHigh(tip: bigint, maxTipGwei: number): ProxmintError {
  return new ProxmintError(`the RPC server wants a tip of ${formatUnits(tip, 'gwei')} gwei per gas`, {
    facts: { max_tip_gwei: maxTipGwei },
    hint: 'nothing was signed with it; set another rpc_url in config/web3-defaults.yaml, or a higher max_tip_gwei where the chain is so dear',
  })
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
