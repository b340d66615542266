/** What clients were told, and what therefore may be there after the server died. */

/** `no`, `yes`, a lock, or a description: whatever tells the states of one thing apart. */
export type Value = string

export interface Memory {
  /** Before a request is sent: from now on the thing may be in any of these states, too. */
  begin(thing: string, ...possible: Value[]): void
  /** When the answer came: this it is now. */
  settle(thing: string, value: Value): void
  get(thing: string): Value
  /** Things that are in a state nobody could expect. Then what is there is taken for the truth. */
  check(actual: ReadonlyMap<string, Value>): string[]
}

export function createMemory(): Memory {
  const known = new Map<string, Value>()
  const possible = new Map<string, Value[]>()
  const get = (thing: string) => known.get(thing) ?? 'no'
  const surprise = (thing: string, actual: Value) => {
    const expected = [get(thing), ...(possible.get(thing) ?? [])]
    return expected.includes(actual) ? [] : [`${thing} is ${actual}, not ${expected.join(' or ')}`]
  }
  return {
    get,
    begin: (thing, ...values) => void possible.set(thing, values),
    settle(thing, value) {
      known.set(thing, value)
      possible.delete(thing)
    },
    check(actual) {
      const things = new Set([...known.keys(), ...possible.keys(), ...actual.keys()])
      const surprises = [...things].flatMap(thing => surprise(thing, actual.get(thing) ?? 'no'))
      for (const thing of things) known.set(thing, actual.get(thing) ?? 'no')
      possible.clear()
      return surprises
    },
  }
}
