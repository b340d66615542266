import type { MintRequest } from '../../chain/mint.mts'
import type { AccessDesign, Entry, TokenRecord } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { withProgress } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'

/** Whether its first boot waits for its token. */
export function mintsBeforeBoot({ design }: Entry): boolean {
  return design?.access != null && !design.access.mintLater
}

/**
 * Mints the token of a VM, once for its entry however often it is asked for.
 * @returns what the entry is to say of it: the id is the receipt's.
 */
export async function mintToken(entry: Entry, { store, issuer }: VmContext): Promise<Partial<Entry>> {
  const { access, owner } = requireAccess(entry)
  try {
    const open = await issuer(access)
    const minted = await withProgress(`mint for ${entry.name}`, () =>
      open.mint(mintRequestOf(entry, access, owner)),
    )
    return { token: { status: 'minted', id: minted.tokenId, transaction: minted.transactionHash } }
  } catch (error) {
    const token: TokenRecord = { status: 'failed', id: null, transaction: null }
    // An id that is known is never forgotten. Whoever called tells of a registry that cannot be written.
    const note = (one: Entry): Entry => (one.token?.id == null ? { ...one, token } : one)
    await store.change(entry.name, note).catch(() => undefined)
    throw error
  }
}

/** What is minted for a VM, or would be. */
export function mintRequestOf(
  { name, id, expiresAt }: Pick<Entry, 'name' | 'id' | 'expiresAt'>,
  { decryptMessage, userEncrypted }: AccessDesign,
  wallet: string,
): MintRequest {
  const seconds = Math.floor(Date.parse(expiresAt) / 1000)
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

/** A VM never runs with a token id that is not the one of its own receipt. */
export function requireOwnToken(entry: Entry): void {
  if (!mintsBeforeBoot(entry) || entry.token?.status === 'minted') return
  throw new ProxmintError(`${entry.name} must not boot: its token is not minted`, {
    hint: `zx scripts/apply.mts ${entry.name} mints it first`,
  })
}
