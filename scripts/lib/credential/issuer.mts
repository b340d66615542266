/** The issuer of access credentials: it reads the contract of their tokens, and signs as its owner. */
import { estimateGas } from '../chain/gas.mts'
import {
  MINT_GAS_LIMIT,
  type MintedCredential,
  type MintRequest,
  mintCredentials,
  mintData,
} from '../chain/mint.mts'
import type { Settling } from '../chain/settle.mts'
import { updateExpiration, updateUserEncrypted } from '../chain/update.mts'
import { requireKeyWallet } from '../chain/wallet.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { withProgress } from '../run/progress.mts'
import type { Site } from '../site/site.mts'
import { type ChainView, openChainView, openSettling, requireOwner, type TokenPlace } from './chain-view.mts'

/** An open contract. The owner's key is read by the first method that may sign, or rehearses: decrypting takes seconds. */
export interface CredentialIssuer {
  /** The chain and the contract, to be read without the key. */
  view: ChainView
  /** @throws ProxmintError that says why a mint would fail now, a missing key included. Nothing is signed. */
  rehearse(request: MintRequest): Promise<void>
  /** Mints, or finds what was minted for the same entry before; certain when it returns. */
  mint(request: MintRequest): Promise<MintedCredential>
  /** @param expiresAt Unix seconds. @returns whether the chain had another expiry before. */
  setExpiry(tokenId: string, expiresAt: number): Promise<boolean>
  /** Writes to the chain what only the owner can read. @param signature of the token's decrypt message. */
  encryptForOwner(tokenId: string, secret: { signature: string; text: string }): Promise<void>
}

/** Opens the issuer of a contract. @param place default: the contract of the config. */
export type OpenIssuer = (place?: TokenPlace) => Promise<CredentialIssuer>

/** Opens each contract once in a run. */
export function issuers(site: Site, signal: AbortSignal): OpenIssuer {
  const opened = new Map<string, Promise<CredentialIssuer>>()
  return place => {
    const key = `${place?.chainId} ${place?.contract}`
    const known = opened.get(key) ?? openIssuer(site, place, signal)
    opened.set(key, known)
    return known
  }
}

async function openIssuer(
  site: Site,
  place: TokenPlace | undefined,
  signal: AbortSignal,
): Promise<CredentialIssuer> {
  const view = await openChainView(site, place)
  const { target } = view
  let settling: Promise<Settling> | undefined
  const asOwner = (): Promise<Settling> => {
    settling ??= openAsOwner(site, view, signal)
    return settling
  }
  return {
    view,
    async rehearse(request) {
      await asOwner()
      await mintGas(view, request)
    },
    async mint(request) {
      const owner = await asOwner()
      await requireKeyWallet(view.rpc, request.wallet, view.web3.contractWallets)
      const [credential] = await withProgress(`mint for ${request.machineId}`, () =>
        mintCredentials(owner, target, [request]),
      )
      return credential!
    },
    async setExpiry(tokenId, expiresAt) {
      if (target.profile === 'v0.2') throw cannotChange('an expiry')
      return updateExpiration(await asOwner(), target, tokenId, expiresAt)
    },
    async encryptForOwner(tokenId, secret) {
      if (target.profile === 'v0.2') throw cannotChange('what is encrypted for the owner')
      await updateUserEncrypted(await asOwner(), target, tokenId, secret)
    },
  }
}

/** Opens what signing needs. @throws ProxmintError (denied) where the key is not that of the contract's owner. */
export async function openAsOwner(site: Site, view: ChainView, signal: AbortSignal): Promise<Settling> {
  const settling = await openSettling(site, view, signal)
  requireOwner(view, settling)
  return settling
}

/**
 * Estimates the gas of a mint by the contract's owner; needs no key.
 * @throws ProxmintError that says why the contract would refuse it, or why the wallet opens nothing.
 */
export async function mintGas(view: ChainView, request: MintRequest): Promise<bigint> {
  const { web3, rpc, target, contractOwner } = view
  await requireKeyWallet(rpc, request.wallet, web3.contractWallets)
  const data = mintData(target, request)
  const call = { from: contractOwner, to: target.contract, data, mostGas: MINT_GAS_LIMIT }
  return estimateGas(rpc, call, `the mint for ${request.machineId}`)
}

function cannotChange(what: string): ProxmintError {
  return new ProxmintError(`a contract of profile v0.2 cannot change ${what} of a token`, {
    hint: 'deploy one of profile v0.4 for later VMs: zx scripts/contract.mts deploy --replace',
    exitCode: exitCodes.invalid,
  })
}
