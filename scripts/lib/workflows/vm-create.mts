import type { Entry } from '../registry/entry.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { ProxmintError } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import { type Applied, finishVm } from './vm-apply.mts'
import type { VmWishes } from './vm-design.mts'
import { removeVm } from './vm-destroy.mts'
import { writeVmFolder } from './vm-folder.mts'
import { reserveNewVm } from './vm-reserve.mts'
import { resumable, type Working } from './vm-steps.mts'

export interface CreateOptions {
  /** Makes and boots it; otherwise it is reserved and its configuration written, no more. */
  apply: boolean
  /** Gives everything up again when a step before the boot fails. */
  rollback: boolean
}

/**
 * Reserves a VM and, with `apply`, makes it, or goes on with one where it stopped.
 * @throws ProxmintError that says what is kept and how to go on, or that nothing is.
 */
export async function createVm(
  name: string,
  wishes: VmWishes,
  { apply, rollback }: CreateOptions,
  working: Working,
): Promise<Applied> {
  const { store, connection } = working
  const known = await store.find(name)
  if (known !== undefined)
    say(`${name} is ${known.phase}; what it is made of was decided when it was reserved`)
  const found = known ?? (await reserveNewVm(store, connection, name, wishes))
  checkpoint('vm-reserved')
  return store.exclusively(found.name, 'vm create', async () => {
    if (apply) return finishVm(found.name, working, (entry, error) => giveUp(entry, error, working, rollback))
    const entry = (await store.find(name)) ?? found
    if (entry.phase === 'reserved') await writeVmFolder(entry, false)
    return { entry, did: entry.phase === 'reserved' ? 'reserved' : 'nothing' }
  })
}

async function giveUp(entry: Entry, error: unknown, working: Working, rollback: boolean): Promise<unknown> {
  if (!rollback || entry.phase !== 'reserved' || !(error instanceof ProxmintError))
    return resumable(entry, error)
  // Ctrl-C ended the step, not what takes it back.
  const signal = new AbortController().signal
  await removeVm({ ...working, signal }, entry)
  return new ProxmintError(error.message, {
    facts: {
      ...error.facts,
      'rolled back': `VM ${entry.vmid}, ${entry.address} and the name are free again`,
    },
    hint: error.hint,
    cause: error,
    exitCode: error.exitCode,
  })
}
