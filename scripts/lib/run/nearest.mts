/** Candidate that `word` is probably a typo of; undefined if none is close enough. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  // A third of a short word is another word: `remove` is not `revoke`, and `--ram` is not `--from`.
  let bestDistance = Math.max(1, Math.floor(word.length / 4)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Only candidate that shares a word with `word`, or its beginning: `days` and `expiry-days`, `mem` and `memory`. */
export function sharingWord(word: string, candidates: string[]): string | undefined {
  const parts = word
    .toLowerCase()
    .split('-')
    .filter(part => part.length >= 3)
  const found = candidates.filter(candidate =>
    candidate.split('-').some(own => parts.some(part => own.startsWith(part))),
  )
  return found.length === 1 ? found[0] : undefined
}

/** End of a sentence: `; did you mean web?`; empty if no candidate is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const close = nearest(word, candidates)
  return close === undefined ? '' : `; did you mean ${close}?`
}

/** Number of letters to insert, remove, replace, or swap with the next one (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let [before, previous]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = isSwap ? before![j - 2]! + 1 : Number.POSITIVE_INFINITY
      current.push(Math.min(substitution, swap, previous![j]! + 1, current[j - 1]! + 1))
    }
    ;[before, previous] = [previous, current]
  }
  return previous![b.length]!
}
