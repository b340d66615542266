/** Semaphores with names. Work waits until each of them has a free slot. */
export interface Slots {
  /** Runs `work` while it holds one slot of each key. It holds no slot while it waits. */
  use<T>(keys: string[], work: () => Promise<T>): Promise<T>
}

interface Waiting {
  keys: string[]
  start(): void
}

/**
 * Creates slots by key (`node pve`, `storage tank`). Work that waits longest starts first, if all its keys are free.
 * @param limitOf Number of slots of a key.
 */
export function createSlots(limitOf: (key: string) => number): Slots {
  const held = new Map<string, number>()
  let waiting: Waiting[] = []
  const fits = (keys: string[]): boolean => keys.every(key => (held.get(key) ?? 0) < limitOf(key))
  const hold = (keys: string[], by: 1 | -1): void => {
    for (const key of keys) held.set(key, (held.get(key) ?? 0) + by)
  }
  const next = (): void => {
    const left: Waiting[] = []
    for (const one of waiting) {
      if (!fits(one.keys)) {
        left.push(one)
        continue
      }
      hold(one.keys, 1)
      one.start()
    }
    waiting = left
  }
  return {
    async use(keys, work) {
      const unique = [...new Set(keys)]
      await new Promise<void>(start => {
        waiting.push({ keys: unique, start })
        next()
      })
      try {
        return await work()
      } finally {
        hold(unique, -1)
        next()
      }
    },
  }
}

/** Sorts by duration, longest first, so that all end soonest. Unknown durations come before all others. */
export function longestFirst(names: string[], secondsOf: (name: string) => number | undefined): string[] {
  const seconds = (name: string): number => secondsOf(name) ?? Number.POSITIVE_INFINITY
  return names.toSorted((a, b) => {
    const [first, second] = [seconds(a), seconds(b)]
    return first === second ? 0 : second - first
  })
}
