/** Finds the known word that a mistyped word probably means. At most a quarter of its letters may be wrong. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map(candidate => ({ candidate, distance: editsBetween(word.toLowerCase(), candidate.toLowerCase()) }))
    // A third of a short word is another word: `offline` is not `online`.
    .filter(({ distance }) => distance <= Math.max(1, Math.floor(word.length / 4)))
    .sort((a, b) => a.distance - b.distance)
  return best?.candidate
}

/** Counts the letters to insert, remove, replace, or swap with the next one (optimal string alignment). */
function editsBetween(from: string, to: string): number {
  let before: number[] = []
  let row = [...Array(to.length + 1).keys()]
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...to].entries()) {
      const isSwap = i > 0 && j > 0 && letter === to[j - 1] && from[i - 1] === other
      const swapped = isSwap ? before[j - 1]! + 1 : Number.POSITIVE_INFINITY
      next.push(Math.min(row[j]! + (letter === other ? 0 : 1), row[j + 1]! + 1, next[j]! + 1, swapped))
    }
    ;[before, row] = [row, next]
  }
  return row[to.length]!
}
