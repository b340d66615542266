import type { Web3Config } from '../../config/web3.mts'
import type { Site } from '../../site/site.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, judgeLook, ok } from '../diagnosis.mts'
import { type Look, lookAt, lookWith, valueIn } from '../look.mts'

const PATIENCE = { timeoutMs: 5000, rounds: 1 }
const NO_ANSWER = 'the chain could not be asked'

interface ChainFacts {
  contract: Look<{ chainId: number; contract: string; profile: string }>
  /** Undefined if no key is configured. */
  signer: Look<{ address: string; balanceWei: bigint }> | undefined
}

/** Chain of access credentials: its servers, the contract and the signer. Undefined if none is configured. */
export const chain: DoctorCheck<ChainFacts | undefined> = {
  area: 'chain',
  look: ({ site, web3 }) => lookAt(async () => lookAtChain(site, valueIn(await web3))),
  judge: facts => {
    if (facts === undefined) return [ok('chain', 'none is configured')]
    const contract = judgeLook('chain', facts.contract, ({ contract, profile, chainId }) => [
      ok('chain', `contract ${contract}, ${profile}, on chain ${chainId}`),
    ])
    const { signer } = facts
    if (signer === undefined || 'lacks' in signer) return contract
    return [...contract, ...judgeLook('chain', signer, judgeSigner)]
  },
}

async function lookAtChain(site: Site, web3: Web3Config | undefined): Promise<ChainFacts | undefined> {
  if (web3 === undefined || (web3.rpcUrls.length === 0 && web3.nftContract === undefined)) return undefined
  // ethers takes long to load, so only a configured chain loads it.
  const [{ openChainView, requireOwner }, { loadSigner }] = await Promise.all([
    import('../../credential/chain-view.mts'),
    import('../../chain/signer.mts'),
  ])
  const view = await lookAt(() => openChainView(site, undefined, PATIENCE))
  const contract = lookWith(view, NO_ANSWER, async ({ rpc, target }) => ({
    chainId: rpc.chainId,
    contract: target.contract,
    profile: target.profile,
  }))
  const signer = lookWith(view, NO_ANSWER, async chainView => {
    const signer = await loadSigner(web3.privateKeyFile)
    requireOwner(chainView, { signer })
    const balance = await chainView.rpc.call<string>('eth_getBalance', [signer.address, 'latest'])
    return { address: signer.address, balanceWei: BigInt(balance) }
  })
  return {
    contract: 'error' in view ? view : await contract,
    signer: web3.privateKeyFile === undefined ? undefined : await signer,
  }
}

function judgeSigner({ address, balanceWei }: { address: string; balanceWei: bigint }): Diagnosis[] {
  if (balanceWei > 0n) return [ok('chain', `the signer ${address} owns the contract and can pay`)]
  const what = `the signer ${address} has nothing to pay for mints with`
  return [{ area: 'chain', level: 'fault', what, fix: `send some of the chain's coin to ${address}` }]
}
