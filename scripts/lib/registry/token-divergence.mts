import type { Divergence } from './divergence.mts'
import { chainExpiry } from './due.mts'
import { type Entry, tokenKey } from './entry.mts'

/** Token as the chain has it. */
export interface SeenToken {
  owner: string
  /** Unix seconds; 0: never. */
  expiresAt: number
}

/** Registry and chain, which are compared. */
export interface TokenViews {
  /** Living and destroyed entries that have a token. */
  entries: Entry[]
  /** Tokens by `tokenKey`. undefined: the chain does not have the token. No key: the chain could not be asked. */
  tokens: ReadonlyMap<string, SeenToken | undefined>
  now: Date
}

/** Contradiction with its living or destroyed entry. A name alone is ambiguous: destroyed entries may share it. */
export interface TokenDivergence extends Divergence {
  entry: Entry
}

/** Lists the contradictions between registry and chain. The chain decides: who holds the token can log in to its VM. */
export function tokenDivergencesOf({ entries, tokens, now }: TokenViews): TokenDivergence[] {
  const divergencesOf = (entry: Entry): Divergence[] => {
    const key = tokenKey(entry)
    if (!tokens.has(key)) return []
    const token = tokens.get(key)
    if (token === undefined) return [unknownToken(entry)]
    return entry.phase === 'destroyed' ? ofDestroyed(entry, token, now) : ofLiving(entry, token)
  }
  return entries.flatMap(entry => divergencesOf(entry).map(divergence => ({ ...divergence, entry })))
}

function unknownToken({ name, token, design }: Entry): Divergence {
  const what = `token ${token!.id} is not on chain ${design!.access!.chainId}`
  const hint =
    'check that it is the same chain; after a reorganisation deeper than `confirmations`, recreate the VM'
  return { name, what, hint, fix: undefined }
}

function ofLiving(entry: Entry, seen: SeenToken): Divergence[] {
  const { name, owner, token } = entry
  const found: Divergence[] = []
  if (seen.owner !== owner) {
    const what = `token ${token!.id} is held by ${seen.owner}, not by ${owner}: it was transferred`
    found.push({ name, what, hint: '--fix records the new owner', fix: 'take the owner over' })
  }
  const expiresAt = chainExpiry(entry)
  if (seen.expiresAt !== expiresAt) {
    const what = `the chain says that token ${token!.id} expires ${timeOf(seen)}, not ${timeOf({ expiresAt })}`
    found.push({ name, what, hint: '--fix updates the chain', fix: 'tell the chain' })
  }
  return found
}

function ofDestroyed({ name, token }: Entry, seen: SeenToken, now: Date): Divergence[] {
  if (seen.expiresAt !== 0 && seen.expiresAt * 1000 <= now.getTime()) return []
  const what = `the VM is destroyed, but the chain says that token ${token!.id} expires ${timeOf(seen)}`
  return [{ name, what, hint: '--fix updates the chain', fix: 'tell the chain' }]
}

function timeOf({ expiresAt }: Pick<SeenToken, 'expiresAt'>): string {
  return expiresAt === 0 ? 'never' : new Date(expiresAt * 1000).toISOString()
}
