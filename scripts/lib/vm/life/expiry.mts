import { type Entry, type TokenRecord, withEvent } from '../../registry/entry.mts'
import { counted } from '../../run/counted.mts'
import { messageOf, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'

const dayMs = 24 * 60 * 60 * 1000

/** What renewing a VM needs; Proxmox is not asked. */
export type Renewing = Pick<VmContext, 'store' | 'issuer'>

/** From the expiry on, or from now where that is past: nobody wants a VM that is expired again at once. */
export function extended(entry: Entry, days: number, now: Date): Entry {
  const from = Math.max(Date.parse(entry.expiresAt), now.getTime())
  const expiresAt = new Date(from + days * dayMs).toISOString()
  return withEvent({ ...entry, expiresAt }, `extended by ${counted(days, 'day')}`, now)
}

/**
 * Renews a VM, in the registry first and then on the chain.
 * @throws ProxmintError where the chain cannot be told; the VM is extended all the same.
 */
export async function extendVm(name: string, days: number, { store, issuer }: Renewing): Promise<Entry> {
  // Under its lock: a renewal comes before `gc` looks at the VM, or after it.
  return store.exclusively(name, 'vm extend', async () => {
    const entry = await store.change(name, one => extended(one, days, new Date()))
    await tellExpiry(entry, issuer)
    return entry
  })
}

/** Makes the chain say the entry's expiry. Only wallets show it: no VM opens or closes by it. */
export async function tellExpiry(entry: Entry, issuer: VmContext['issuer']): Promise<void> {
  const token = mintedToken(entry)
  if (token === undefined) return
  try {
    await (await issuer(token.place)).setExpiry(token.id, seconds(Date.parse(entry.expiresAt)))
  } catch (error) {
    throw untold(entry, token.id, error)
  }
}

/**
 * Makes the chain say that the token of a VM that is gone is expired. What is on the chain keeps nobody from
 * destroying a VM: where it cannot be told now, `reconcile` tells of it later.
 */
export async function expireToken(entry: Entry, issuer: VmContext['issuer']): Promise<TokenRecord | null> {
  const token = mintedToken(entry)
  if (token === undefined) return entry.token
  const end = Math.min(Date.now(), Date.parse(entry.expiresAt))
  try {
    await (await issuer(token.place)).setExpiry(token.id, seconds(end))
    return { ...entry.token!, status: 'expired' }
  } catch (error) {
    say(
      `warning: ${entry.name} is gone, and token ${token.id} is not expired on the chain: ${messageOf(error)}`,
    )
    return entry.token
  }
}

/** The token of a VM and where it is; undefined where none was minted. */
export function mintedToken({ token, design }: Entry) {
  if (token?.id == null || token.status === 'expired' || design?.access == null) return undefined
  const { chainId, contract } = design.access
  return { id: token.id, place: { chainId, contract } }
}

/** What the chain counts in. */
export function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}

function untold({ name, expiresAt }: Entry, tokenId: string, cause: unknown): ProxmintError {
  const known = cause instanceof ProxmintError ? cause : undefined
  return new ProxmintError(
    `${name} is extended until ${expiresAt.slice(0, 10)}, but the chain was not told: ${messageOf(cause)}`,
    {
      facts: { ...known?.facts, token: tokenId },
      hint: `the VM stays open; the chain is told by \`zx scripts/reconcile.mts --fix\``,
      exitCode: known?.exitCode,
      cause,
    },
  )
}
