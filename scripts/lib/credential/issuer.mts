import { estimateGas } from '../chain/gas.mts'
import { type MintedCredential, type MintRequest, mintCredentials, mintData } from '../chain/mint.mts'
import { updateExpiration, updateUserEncrypted } from '../chain/update.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Site } from '../site/site.mts'
import { openChainView, openSettling, requireOwner, type TokenPlace } from './chain-view.mts'

/** What the life of a VM needs of the chain its token is on; it signs as the contract's owner. */
export interface CredentialIssuer {
  /** @throws ProxmintError that says why a mint would fail now. Nothing is signed. */
  rehearse(request: MintRequest): Promise<void>
  /** Mints, or finds what was minted for the same entry before; certain when it returns. */
  mint(request: MintRequest): Promise<MintedCredential>
  /** @param expiresAt Unix seconds. @returns whether the chain said anything else before. */
  setExpiry(tokenId: string, expiresAt: number): Promise<boolean>
  /** @param signature of the token's decrypt message. */
  tellOwner(tokenId: string, secret: { signature: string; text: string }): Promise<void>
}

/** Opens the issuer of a contract. */
export type OpenIssuer = (place: TokenPlace) => Promise<CredentialIssuer>

/** One issuer per contract: decrypting a keystore takes seconds. */
export function issuers(site: Site, signal: AbortSignal): OpenIssuer {
  const opened = new Map<string, Promise<CredentialIssuer>>()
  return place => {
    const key = `${place.chainId} ${place.contract}`
    const known = opened.get(key) ?? openIssuer(site, place, signal)
    opened.set(key, known)
    return known
  }
}

async function openIssuer(site: Site, place: TokenPlace, signal: AbortSignal): Promise<CredentialIssuer> {
  const view = await openChainView(site, place)
  const settling = await openSettling(site, view, signal)
  requireOwner(view, settling)
  const { target } = view
  return {
    async rehearse(request) {
      const call = { from: settling.signer.address, to: target.contract, data: mintData(target, request) }
      await estimateGas(settling.rpc, call, `the mint for ${request.machineId}`)
    },
    async mint(request) {
      const [credential] = await mintCredentials(settling, target, [request])
      return credential!
    },
    setExpiry(tokenId, expiresAt) {
      if (target.profile === 'v0.2') throw cannotChange('an expiry')
      return updateExpiration(settling, target, tokenId, expiresAt)
    },
    tellOwner(tokenId, secret) {
      if (target.profile === 'v0.2') throw cannotChange('what is encrypted for the owner')
      return updateUserEncrypted(settling, target, tokenId, secret)
    },
  }
}

function cannotChange(what: string): ProxmintError {
  return new ProxmintError(`a contract of profile v0.2 cannot change ${what} of a token`, {
    hint: 'deploy one of profile v0.4 for later VMs: zx scripts/contract.mts deploy --replace',
    exitCode: exitCodes.invalid,
  })
}
