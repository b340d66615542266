import { findProfile, readView } from '../chain/contract.mts'
import { openFileJournal } from '../chain/file-journal.mts'
import type { Journal } from '../chain/journal.mts'
import type { MintTarget } from '../chain/mint.mts'
import { openPostgresJournal } from '../chain/postgres-journal.mts'
import { createRpc, type Rpc, type RpcOptions } from '../chain/rpc.mts'
import type { Settling } from '../chain/settle.mts'
import { loadSigner } from '../chain/signer.mts'
import { checkedAddress } from '../chain/wallet.mts'
import type { Web3Config } from '../config/web3.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Site } from '../site/site.mts'

const STUCK_MS = 60_000
const TIMEOUT_MS = 900_000
const POLL_MS = 1000

/** The chain and the contract on it, to be read. */
export interface ChainView {
  web3: Web3Config
  rpc: Rpc
  target: MintTarget
  /** The account that may mint. */
  contractOwner: string
}

/** The contract of a token. */
export interface TokenPlace {
  chainId: number
  /** EIP-55. */
  contract: string
}

/** How long servers are asked. The default lasts while a server restarts. */
type Patience = Pick<RpcOptions, 'timeoutMs' | 'rounds'>

/**
 * Loads the config and proves that the servers are of its chain and the contract is one of credentials.
 * @param place of tokens that were minted before; default: where the config says.
 */
export async function openChainView(
  site: Pick<Site, 'web3'>,
  place?: TokenPlace,
  patience: Patience = {},
): Promise<ChainView> {
  const web3 = await site.web3()
  if (place !== undefined && place.chainId !== web3.chainId) throw otherChain(place, web3)
  const rpc = createRpc({ urls: web3.rpcUrls, chainId: web3.chainId, ...patience })
  const contract = place?.contract ?? requireContract(web3)
  const profile = await findProfile(rpc, contract, web3.profile)
  const contractOwner = await readView<string>(rpc, contract, 'owner')
  return { web3, rpc, target: { contract, profile, serverPublicKey: web3.serverPublicKey }, contractOwner }
}

function otherChain(place: TokenPlace, { chainId }: Web3Config): ProxmintError {
  return new ProxmintError(`the token is on chain ${place.chainId}, and chain ${chainId} is configured`, {
    facts: { contract: place.contract },
    hint: 'set chain_id and rpc_url in config/web3-defaults.yaml, or in the file that PROXMINT_WEB3 names, to that chain',
    exitCode: exitCodes.invalid,
  })
}

/** @throws ProxmintError (invalid) where the config names no contract. */
export function requireContract({ nftContract }: Web3Config): string {
  if (nftContract !== undefined) return checkedAddress('nft_contract', nftContract, exitCodes.invalid)
  throw new ProxmintError('no contract of access credentials is configured', {
    hint: 'run `zx scripts/contract.mts deploy`, or set nft_contract in config/web3-defaults.yaml',
    exitCode: exitCodes.invalid,
  })
}

/** Opens what signing and sending needs: the signer's key and the journal of transactions. */
export async function openSettling(
  site: Site,
  { web3, rpc }: Pick<ChainView, 'web3' | 'rpc'>,
  signal: AbortSignal,
): Promise<Settling> {
  const signer = await loadSigner(web3.privateKeyFile)
  return {
    rpc,
    witnesses: web3.rpcUrls.map(url => createRpc({ urls: [url], chainId: web3.chainId, rounds: 1 })),
    signer,
    journal: await openJournal(site, rpc),
    maxTipGwei: web3.maxTipGwei,
    confirmations: web3.confirmations,
    stuckMs: STUCK_MS,
    timeoutMs: TIMEOUT_MS,
    pollMs: POLL_MS,
    signal,
  }
}

/** Opens the journal beside the registry: another run must find the transactions that were signed for a VM. */
async function openJournal(site: Site, rpc: Rpc): Promise<Journal> {
  const place = await site.registryPlace()
  if (place.kind === 'postgres') return openPostgresJournal(place.url, rpc)
  return openFileJournal((await site.config()).stateDir, rpc)
}

/** @throws ProxmintError (denied): the contract lets its owner alone mint. */
export function requireOwner(
  { target, contractOwner }: Pick<ChainView, 'target' | 'contractOwner'>,
  { signer }: Pick<Settling, 'signer'>,
): void {
  if (signer.address === contractOwner) return
  throw new ProxmintError(`the signer does not own the contract ${target.contract}`, {
    facts: { signer: signer.address, owner: contractOwner },
    hint:
      "only the owner may mint: set deployer.private_key_file to the owner's key; if the contract was handed over to this " +
      'signer, it has to be accepted: zx scripts/contract.mts accept',
    exitCode: exitCodes.denied,
  })
}
