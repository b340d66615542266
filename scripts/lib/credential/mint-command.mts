import { formatEther } from 'ethers'
import { currentFees } from '../chain/fees.mts'
import { checkedMachineId, type MintedCredential, type MintRequest } from '../chain/mint.mts'
import { checkedAddress } from '../chain/wallet.mts'
import { DAY_MS, unixSeconds } from '../run/duration.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { withRegistry } from '../site/open-registry.mts'
import { openSite, type Site } from '../site/site.mts'
import { openChainView } from './chain-view.mts'
import { issuers, mintGas } from './issuer.mts'

/** The transaction that `mint` would send, and its cost at most. */
interface MintPlan extends MintRequest {
  chainId: number
  contract: string
  profile: string
  signer: string
  gas: string
  /** Wei. */
  maxFee: string
}

/** Checks the options of `mint`. @param days until the expiry on the token; undefined: none. */
export function mintRequest(wallet: string, machineId: string, days: number | undefined): MintRequest {
  return {
    wallet: checkedAddress('--owner-wallet', wallet),
    machineId: checkedMachineId(machineId),
    expiresAt: days === undefined ? 0 : unixSeconds(Date.now() + days * DAY_MS),
  }
}

/** Mints one credential, or finds the one that was minted before; certain when it returns. */
export async function mintOne(request: MintRequest, signal: AbortSignal): Promise<MintedCredential> {
  const site = openSite()
  await requireNoVm(site, request)
  const issuer = await issuers(site, signal)()
  return issuer.mint(request)
}

/** @throws ProxmintError (usage) for a VM of the registry: it has its own token, and this one would not open it. */
async function requireNoVm(site: Site, { machineId }: MintRequest): Promise<void> {
  const entry = await withRegistry(site, 'mint', store => store.find(machineId))
  if (entry === undefined) return
  throw new ProxmintError(`${machineId} is a VM of the registry, and this token would not open it`, {
    hint:
      entry.design?.access == null
        ? 'it was made without a wallet; only a new VM can have one: zx scripts/vm.mts create NAME --owner-wallet 0x...'
        : `zx scripts/mint.mts --vm ${machineId}`,
    exitCode: exitCodes.usage,
  })
}

/** Plans a mint by the contract's owner; needs no key. */
export async function planMint(request: MintRequest): Promise<MintPlan> {
  const site = openSite()
  await requireNoVm(site, request)
  const view = await openChainView(site)
  const { web3, rpc, target, contractOwner } = view
  const gas = await mintGas(view, request)
  const { maxFeePerGas } = await currentFees(rpc, web3.maxTipGwei)
  return {
    ...request,
    chainId: rpc.chainId,
    contract: target.contract,
    profile: target.profile,
    signer: contractOwner,
    gas: String(gas),
    maxFee: String(gas * maxFeePerGas),
  }
}

export function formatMinted({ tokenId, wallet, machineId, contract, ...at }: MintedCredential): string {
  return [
    `token ${tokenId} of ${contract}, for the machine id ${machineId}, is ${wallet}'s`,
    `transaction ${at.transactionHash}, block ${at.blockNumber}, ${at.gasUsed} gas`,
  ].join('\n')
}

export function formatMintPlan(plan: MintPlan): string {
  return [
    `would mint a token for ${plan.machineId} to ${plan.wallet}, expiry ${expiryText(plan.expiresAt)}`,
    `  contract: ${plan.contract} on chain ${plan.chainId}, profile ${plan.profile}`,
    `  signer:   ${plan.signer}, the contract's owner`,
    `  gas:      ${plan.gas} at most, ${formatEther(plan.maxFee)} ETH at most`,
  ].join('\n')
}

function expiryText(expiresAt: number): string {
  return expiresAt === 0 ? 'never' : new Date(expiresAt * 1000).toISOString()
}
