import { type Entry, failed } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { messageOf } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'

/**
 * Writes down where and why work on a VM stopped. That this fails as well (the disk is full, the entry is gone) only
 * gets a warning: it must not hide what happened before.
 * @returns the entry as it is then, or would be.
 */
export async function noteFailure(
  store: Pick<RegistryStore, 'change'>,
  entry: Entry,
  step: string,
  error: unknown,
): Promise<Entry> {
  const note = (one: Entry): Entry => failed(one, step, messageOf(error), new Date())
  return store.change(entry.name, note).catch(cause => {
    say(`warning: that ${step} of ${entry.name} failed is not in the registry: ${messageOf(cause)}`)
    return note(entry)
  })
}
