import { formatUnits } from 'ethers'
import { ProxmintError } from '../run/errors.mts'
import type { Rpc } from './rpc.mts'

/** Fees of a type 2 transaction (EIP-1559), in wei per gas. */
export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

const ONE_GWEI = 1_000_000_000n

/**
 * Fees for one of the next blocks: twice the base fee, which grows by at most an eighth per block, and the tip. A
 * transaction pays the base fee of its block and the whole tip.
 * @throws ProxmintError if the server wants a tip above `maxTipGwei`, or the chain has no base fee.
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
    hint: 'nothing was signed with this tip; set another rpc_url in config/web3-defaults.yaml, or a higher max_tip_gwei if the chain is that expensive',
  })
}

/** Fees for the same nonce again, a quarter higher: nodes demand at least a tenth more of both. */
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
