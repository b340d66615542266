/** Failures of work on a VM: in the registry, and in what a person reads. */
import { type Entry, failed } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import { printable } from '../../run/printable.mts'
import { say } from '../../run/progress.mts'

type Change = Pick<RegistryStore, 'change'>

/**
 * Runs `work` on a VM. Where it fails, that is written down with the name of the step, and thrown again. A success clears
 * the failure of the same step.
 */
export async function notingFailure<T>(
  store: Change,
  entry: Entry,
  step: string,
  work: () => Promise<T>,
): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    await noteFailure(store, entry, step, error)
    throw error
  }
  if (entry.failure?.step === step) await clearFailure(store, entry)
  return result
}

/** Clears the failure of a VM that is as it should be now. One of a mint stays: only a mint mends that. */
export async function withoutFailure(store: Change, entry: Entry): Promise<Entry> {
  if (entry.phase !== 'active' || entry.failure === null || entry.failure.step === 'mint') return entry
  return clearFailure(store, entry)
}

/** Another run may have noted a newer failure, which stays. */
function clearFailure(store: Change, entry: Entry): Promise<Entry> {
  const { failure } = entry
  return store.change(entry, one => (one.failure?.at === failure?.at ? { ...one, failure: null } : one))
}

/**
 * Writes down where and why work on a VM stopped. Where the registry cannot be written (the disk is full, the entry
 * is gone), this gives a warning only: it must not hide the first failure.
 * @returns the entry with the failure.
 */
export async function noteFailure(store: Change, entry: Entry, step: string, error: unknown): Promise<Entry> {
  // A later run that shows it may not know the secrets of this one.
  const why = printable(messageOf(error))
  const note = (one: Entry): Entry => failed(one, step, why, new Date())
  return store.change(entry, note).catch(cause => {
    if (isLockLost(error)) return note(entry)
    say(`warning: that ${step} of ${entry.name} failed is not in the registry: ${messageOf(cause)}`)
    return note(entry)
  })
}

/** Adds to a failure what is kept of the VM, and the command that goes on with it. */
export function resumable(entry: Entry, cause: unknown): unknown {
  const { name, phase, vmid, address } = entry
  if (!(cause instanceof ProxmintError) || isLockLost(cause)) return cause
  const again = `${name} is kept; to go on: ${nextCommand(entry)}; ${wayBack(entry)}`
  return new ProxmintError(cause.message, {
    facts: { ...cause.facts, kept: `${name} is ${phase}, as VM ${vmid} with ${address}` },
    hint: cause.hint === undefined ? again : `${cause.hint}\n${again}`,
    cause,
    exitCode: cause.exitCode,
  })
}

function wayBack({ name, rebuild }: Entry): string {
  return rebuild?.kind === 'rebuild'
    ? `to have the system of before: zx scripts/vm.mts rebuild ${name} --undo`
    : `to give it up: zx scripts/vm.mts destroy ${name}`
}

/** Whether a run failed because another run has the VM now: nothing that this one knows of it holds any more. */
function isLockLost(error: unknown): boolean {
  return error instanceof ProxmintError && error.exitCode === exitCodes.locked
}

/** `apply` would power a VM off whose `resume` failed, and mints nothing for a VM that runs. */
function nextCommand({ name, phase, failure, restoring, rebuild }: Entry): string {
  if (restoring !== undefined) return `zx scripts/vm.mts restore ${name}`
  if (rebuild !== undefined) return `zx scripts/vm.mts rebuild ${name} --yes`
  if (failure?.step === 'mint' && phase !== 'created')
    return `zx scripts/mint.mts --vm ${name}${phase === 'active' ? ' --allow reboot' : ''}`
  return phase === 'suspended' ? `zx scripts/vm.mts resume ${name}` : `zx scripts/apply.mts ${name}`
}
