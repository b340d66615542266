import { formatEther } from 'ethers'
import { currentFees } from '../chain/fees.mts'
import { estimateGas } from '../chain/gas.mts'
import {
  checkedMachineId,
  type MintedCredential,
  type MintRequest,
  mintCredentials,
  mintData,
} from '../chain/mint.mts'
import { checkedAddress } from '../chain/wallet.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { withProgress } from '../run/progress.mts'
import { withRegistry } from '../site/open-registry.mts'
import { openSite, type Site } from '../site/site.mts'
import { openChainView, openSettling, requireOwner } from './chain-view.mts'

/** What `mint --dry-run` tells: what would be sent, and what it would cost at most. */
interface MintPlan extends MintRequest {
  chainId: number
  contract: string
  profile: string
  signer: string
  gas: string
  /** Wei. */
  maxFee: string
}

/** Checks what was typed. @param days until the token says that it is expired; undefined: never. */
export function mintRequest(wallet: string, machineId: string, days: number | undefined): MintRequest {
  return {
    wallet: checkedAddress('--owner-wallet', wallet),
    machineId: checkedMachineId(machineId),
    expiresAt: days === undefined ? 0 : Math.floor(Date.now() / 1000) + days * 86_400,
  }
}

/** Mints one credential and waits until it is certain; the one that is there already, where it was minted before. */
export async function mintOne(request: MintRequest, signal: AbortSignal): Promise<MintedCredential> {
  const site = openSite()
  await requireNoVm(site, request)
  const view = await openChainView(site)
  const settling = await openSettling(site, view, signal)
  requireOwner(view, settling)
  const [credential] = await withProgress(`minting for ${request.machineId}`, () =>
    mintCredentials(settling, view.target, [request]),
  )
  return credential!
}

/** A token that is minted so opens no VM of the registry: those have their own. @throws ProxmintError (usage). */
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

/** Everything but signing; needs no key. */
export async function planMint(request: MintRequest): Promise<MintPlan> {
  const site = openSite()
  await requireNoVm(site, request)
  const { web3, rpc, target, contractOwner } = await openChainView(site)
  const data = mintData(target, request)
  const call = { from: contractOwner, to: target.contract, data }
  const gas = await estimateGas(rpc, call, `the mint for ${request.machineId}`)
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
