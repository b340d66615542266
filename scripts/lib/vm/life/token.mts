/** Transactions for the token of a VM: its mint, and its expiry. */
import { mintedToken, mintRequestOf, requireAccess } from '../../credential/vm-token.mts'
import { chainExpiry, expiryDay, expiryMs } from '../../registry/due.mts'
import type { Entry, TokenRecord } from '../../registry/entry.mts'
import { unixSeconds } from '../../run/duration.mts'
import { messageOf, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'

/**
 * Mints the token of a VM, once for its entry however often it is called.
 * @returns the token for the entry; its id is the receipt's.
 */
export async function mintToken(entry: Entry, { store, issuer }: VmContext): Promise<Pick<Entry, 'token'>> {
  const { access, owner } = requireAccess(entry)
  try {
    const opened = await issuer(access)
    const minted = await opened.mint(mintRequestOf(entry, access, owner))
    return { token: { status: 'minted', id: minted.tokenId, transaction: minted.transactionHash } }
  } catch (error) {
    const token: TokenRecord = { status: 'failed', id: null, transaction: null }
    // An id that is known is never forgotten. The caller warns of a registry that cannot be written.
    const note = (one: Entry): Entry => (one.token?.id == null ? { ...one, token } : one)
    await store.change(entry, note).catch(() => undefined)
    throw error
  }
}

/**
 * Writes the entry's expiry to the chain. Only wallets show it: no VM opens or closes by it.
 * @throws ProxmintError where the chain cannot be written; the VM is extended all the same.
 */
export async function setTokenExpiry(entry: Entry, issuer: VmContext['issuer']): Promise<void> {
  const token = mintedToken(entry)
  if (token === undefined) return
  try {
    await (await issuer(token.place)).setExpiry(token.id, chainExpiry(entry))
  } catch (error) {
    throw notWritten(entry, token.id, error)
  }
}

/**
 * Writes to the chain that the token of a VM that is gone is expired. The chain keeps nobody from destroying a VM:
 * where it cannot be written now, `reconcile` reports it later.
 */
export async function expireToken(entry: Entry, issuer: VmContext['issuer']): Promise<TokenRecord | null> {
  const token = mintedToken(entry)
  if (token === undefined) return entry.token
  const end = Math.min(Date.now(), expiryMs(entry))
  try {
    await (await issuer(token.place)).setExpiry(token.id, unixSeconds(end))
    return { ...entry.token!, status: 'expired' }
  } catch (error) {
    say(
      `warning: ${entry.name} is gone, and token ${token.id} is not expired on the chain: ${messageOf(error)}`,
    )
    return entry.token
  }
}

function notWritten(entry: Entry, tokenId: string, cause: unknown): ProxmintError {
  const { name } = entry
  const known = cause instanceof ProxmintError ? cause : undefined
  return new ProxmintError(
    `${name} ${entry.expiresAt === null ? 'never expires now' : `is extended until ${expiryDay(entry)}`}, but the chain was not told: ${messageOf(cause)}`,
    {
      facts: { ...known?.facts, token: tokenId },
      hint: `the VM stays open; the chain is told by \`zx scripts/reconcile.mts --fix\``,
      exitCode: known?.exitCode,
      cause,
    },
  )
}
