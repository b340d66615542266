import { ProxmintError } from '../run/errors.mts'

/** Value that a look found, the error that it failed with, or words for what it would have needed first. */
export type Look<T> = { value: T } | { error: unknown } | { lacks: string }

/** Does `work` and keeps its failure as a fact. */
export async function lookAt<T>(work: () => Promise<T>): Promise<Look<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}

/**
 * Does `work` with the value of an earlier look. Without that value there is nothing to look at.
 * @param lacks says so, in words.
 */
export async function lookWith<A, T>(
  before: Look<A> | Promise<Look<A>>,
  lacks: string,
  work: (value: A) => Promise<T>,
): Promise<Look<T>> {
  const given = await before
  if ('value' in given) return lookAt(() => work(given.value))
  return { lacks: 'lacks' in given ? given.lacks : lacks }
}

/** Reads the value of a look; undefined if there is none. */
export function valueIn<T>(look: Look<T>): T | undefined {
  return 'value' in look ? look.value : undefined
}

/** Reads the value of a look. @throws the error that it failed with. */
export function requireValue<T>(look: Look<T>): T {
  if ('value' in look) return look.value
  throw 'error' in look ? look.error : new ProxmintError(look.lacks)
}
