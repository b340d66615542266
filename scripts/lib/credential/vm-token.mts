/** The token of a VM, as its entry in the registry says. */
import type { MintRequest } from '../chain/mint.mts'
import { chainExpiry } from '../registry/due.mts'
import type { AccessDesign, Entry } from '../registry/entry.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { TokenPlace } from './chain-view.mts'

/** The token of a VM and where it is; undefined where none was minted. */
export function mintedToken({ token, design }: Entry): { id: string; place: TokenPlace } | undefined {
  if (token?.id == null || token.status === 'expired' || design?.access == null) return undefined
  const { chainId, contract } = design.access
  return { id: token.id, place: { chainId, contract } }
}

/** Whether the first boot of a VM waits for its token. */
export function mintsBeforeBoot({ design }: Entry): boolean {
  return design?.access != null && !design.access.mintLater
}

/** The request to mint the token of a VM. */
export function mintRequestOf(
  { name, id, expiresAt }: Pick<Entry, 'name' | 'id' | 'expiresAt'>,
  { decryptMessage, userEncrypted }: AccessDesign,
  wallet: string,
): MintRequest {
  const seconds = chainExpiry({ expiresAt })
  return { wallet, machineId: name, entryId: id, expiresAt: seconds, decryptMessage, userEncrypted }
}

/** @throws ProxmintError (usage) for a VM without an access credential. */
export function requireAccess({ name, design, owner }: Entry): { access: AccessDesign; owner: string } {
  if (design?.access != null && owner !== null) return { access: design.access, owner }
  throw new ProxmintError(`${name} has no access credential`, {
    hint: 'it was made without a wallet; only a new VM can have one: zx scripts/vm.mts create NAME --owner-wallet 0x...',
    exitCode: exitCodes.usage,
  })
}

/** @throws ProxmintError: a VM never runs with a token id that is not that of its own receipt. */
export function requireOwnToken(entry: Entry): void {
  if (!mintsBeforeBoot(entry) || entry.token?.status === 'minted') return
  throw new ProxmintError(`${entry.name} must not boot: its token is not minted`, {
    hint: `zx scripts/apply.mts ${entry.name} mints it first`,
  })
}
