import type { Entry } from '../../registry/entry.mts'
import type { VmContext } from '../context.mts'
import { advanceRebuild } from '../rebuild/advance.mts'
import { notingFailure } from './failure.mts'
import { shutDown, startSystem, verifySystem } from './power.mts'

/**
 * Takes the rebuild or the undo in an entry to its end. The caller holds the VM's lock.
 * @throws ProxmintError; the entry keeps the rebuild, with why it stopped, and the next run goes on.
 */
export async function continueRebuild(entry: Entry, context: VmContext): Promise<Entry> {
  const power = {
    shutDown: (one: Entry, vm: Parameters<typeof shutDown>[1]) => shutDown(one, vm, context.connection),
    start: (one: Entry) => startSystem(one, context),
    verify: (one: Entry, ranBefore: boolean) => verifySystem(one, ranBefore, context),
  }
  return notingFailure(context.store, entry, entry.rebuild!.kind, () => advanceRebuild(entry, context, power))
}
