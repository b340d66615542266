/** The edits of what somebody asked for, among all that differs. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { Edit } from './edit.mts'
import { isPowerCycle } from './live.mts'

/**
 * Chooses the edits of the options that were asked for, and those that only their new values cause. What they cost stays with
 * them: a VM is powered off for some.
 * @param others edits by the design of before.
 */
export function askedAmong(
  edits: readonly Edit[],
  others: readonly Edit[],
  asked: readonly string[],
): Edit[] {
  const isAsked = (edit: Edit): boolean =>
    (edit.option !== undefined && asked.includes(edit.option)) ||
    !others.some(other => isDeepStrictEqual(other.change, edit.change))
  const chosen = edits.filter(edit => !isPowerCycle(edit) && isAsked(edit))
  return chosen.some(({ off }) => off) ? [...chosen, ...edits.filter(isPowerCycle)] : chosen
}
