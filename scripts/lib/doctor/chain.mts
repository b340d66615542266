import type { Web3Config } from '../config/web3.mts'
import type { Site } from '../site/site.mts'
import { type Facts, gather, gatherWith } from './facts.mts'

const patience = { timeoutMs: 5000, rounds: 1 }

/** The chain of access credentials, where one is configured. */
export async function gatherChain(
  site: Site,
  web3: Web3Config | undefined,
): Promise<Pick<Facts, 'chain' | 'signer'>> {
  if (web3 === undefined || (web3.rpcUrls.length === 0 && web3.nftContract === undefined)) {
    return { chain: undefined, signer: undefined }
  }
  // ethers takes its time to load: only where it is needed.
  const [{ openChainView, requireOwner }, { loadSigner }] = await Promise.all([
    import('../credential/chain-view.mts'),
    import('../chain/signer.mts'),
  ])
  const view = gather(() => openChainView(site, undefined, patience))
  const chain = gatherWith(view, 'the chain could not be asked', async ({ rpc, target }) => ({
    chainId: rpc.chainId,
    contract: target.contract,
    profile: target.profile,
  }))
  const signer = gatherWith(view, 'the chain could not be asked', async chainView => {
    const signer = await loadSigner(web3.privateKeyFile)
    requireOwner(chainView, { signer })
    const balance = await chainView.rpc.call<string>('eth_getBalance', [signer.address, 'latest'])
    return { address: signer.address, balanceWei: BigInt(balance) }
  })
  const failed = await view
  return {
    chain: 'error' in failed ? failed : await chain,
    signer: web3.privateKeyFile === undefined ? undefined : await signer,
  }
}
