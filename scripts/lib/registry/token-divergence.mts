import type { Divergence } from './divergence.mts'
import { type Entry, tokenKey } from './entry.mts'

/** What the chain says of a token. */
export interface SeenToken {
  owner: string
  /** Unix seconds; 0 is never. */
  expiresAt: number
}

/** Registry and chain. */
export interface TokenViews {
  /** Living and destroyed ones, those that have a token. */
  entries: Entry[]
  /** By `tokenKey`; undefined for a token that the chain does not have. One that is left out could not be asked for. */
  tokens: ReadonlyMap<string, SeenToken | undefined>
  now: Date
}

/** Of a living or a destroyed entry; several may have had one name. */
export interface TokenDivergence extends Divergence {
  entry: Entry
}

/** Where registry and chain contradict each other. A VM opens to whoever holds its token, whatever the registry says. */
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
  const hint = 'is it the same chain? After a reorganisation deeper than `confirmations`, make the VM anew'
  return { name, what, hint, fix: undefined }
}

function ofLiving({ name, owner, token, expiresAt }: Entry, seen: SeenToken): Divergence[] {
  const found: Divergence[] = []
  if (seen.owner !== owner) {
    const what = `token ${token!.id} is held by ${seen.owner}, not by ${owner}: it was transferred`
    found.push({ name, what, hint: '--fix makes the registry say so', fix: 'take the owner over' })
  }
  if (seen.expiresAt !== Math.floor(Date.parse(expiresAt) / 1000)) {
    const what = `the chain says that token ${token!.id} expires ${timeOf(seen)}, not ${expiresAt}`
    found.push({ name, what, hint: '--fix tells the chain', fix: 'tell the chain' })
  }
  return found
}

function ofDestroyed({ name, token }: Entry, seen: SeenToken, now: Date): Divergence[] {
  if (seen.expiresAt !== 0 && seen.expiresAt * 1000 <= now.getTime()) return []
  const what = `the VM is destroyed, and the chain says that token ${token!.id} expires ${timeOf(seen)}`
  return [{ name, what, hint: '--fix tells the chain', fix: 'tell the chain' }]
}

function timeOf({ expiresAt }: SeenToken): string {
  return expiresAt === 0 ? 'never' : new Date(expiresAt * 1000).toISOString()
}
