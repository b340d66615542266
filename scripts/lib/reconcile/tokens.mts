import { readCredentials } from '../chain/credential.mts'
import { openChainView, type TokenPlace } from '../credential/chain-view.mts'
import { mintedToken } from '../credential/vm-token.mts'
import { type Entry, stillGone, tokenKey } from '../registry/entry.mts'
import type { SeenToken, TokenViews } from '../registry/token-divergence.mts'
import { messageOf } from '../run/errors.mts'
import type { Site } from '../site/site.mts'
import type { VmContext } from '../vm/context.mts'

/** Tokens of living and destroyed VMs, as the chain has them. A token of a destroyed VM may still be valid there. */
interface TokenFindings extends TokenViews {
  /** Contracts that could not be asked, with the reason. */
  silent: { contract: string; why: string }[]
}

/** Reads the tokens of all VMs from their chains. */
export async function tokenViews(
  { store, connection }: Pick<VmContext, 'store' | 'connection'>,
  living: Entry[],
): Promise<TokenFindings> {
  const all = [...living, ...stillGone(await store.listArchived(), living)]
  const entries = all.filter(entry => mintedToken(entry) !== undefined)
  const tokens = new Map<string, SeenToken | undefined>()
  const silent: TokenFindings['silent'] = []
  for (const [place, some] of byPlace(entries)) {
    try {
      const found = await readTokens(connection.site, place, some)
      for (const entry of some) tokens.set(tokenKey(entry), found.get(entry.token!.id!))
    } catch (error) {
      silent.push({ contract: place.contract, why: messageOf(error) })
    }
  }
  return { entries, tokens, silent, now: new Date() }
}

async function readTokens(
  site: Site,
  place: TokenPlace,
  entries: Entry[],
): Promise<Map<string, SeenToken | undefined>> {
  const { rpc, target } = await openChainView(site, place)
  return readCredentials(
    rpc,
    target.contract,
    entries.map(({ token }) => token!.id!),
  )
}

function byPlace(entries: Entry[]): [TokenPlace, Entry[]][] {
  const groups = Map.groupBy(entries, entry => JSON.stringify(mintedToken(entry)!.place))
  return [...groups].map(([place, some]) => [JSON.parse(place) as TokenPlace, some])
}
