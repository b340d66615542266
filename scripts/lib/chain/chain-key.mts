import type { Rpc } from './rpc.mts'

/** Tells a chain from every other: a test chain that is made anew has the same id and knows nothing of the old one. */
export async function chainKey(rpc: Rpc): Promise<string> {
  const genesis = await rpc.call<{ hash: string }>('eth_getBlockByNumber', ['0x0', false])
  return `${rpc.chainId}-${genesis.hash.slice(2, 10)}`
}
