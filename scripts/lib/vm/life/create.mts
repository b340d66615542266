import { type Entry, isGivenUp, type Phase, wasActive } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNobodyUses } from '../look/unused.mts'
import type { VmWishes } from '../plan/design.mts'
import type { DraftVm } from '../plan/draft.mts'
import { requireGiven } from '../plan/given.mts'
import { reserveNewVm } from '../plan/reserve.mts'
import { writeVmFolder } from '../stack/folder.mts'
import { type Applied, finishVm } from './apply.mts'
import { signatureFrom, withUserSignature } from './credential.mts'
import { removeVm } from './destroy.mts'
import { resumable } from './failure.mts'

/** The phases before the first boot has succeeded. */
const NEVER_BOOTED: Phase[] = ['reserved', 'created', 'minted']

interface CreateOptions {
  /** Makes and boots it; otherwise it is reserved and its configuration written, no more. */
  apply: boolean
  /** Gives everything up again when a step before the boot fails. */
  rollback: boolean
  /** The owner's signature of the decrypt message of a VM that is reserved; or a file with it. */
  userSignature: string | undefined
  /** Options of a person. A VM that exists must have each that is given. */
  wishes: VmWishes
}

/**
 * Reserves a VM and, with `apply`, makes it, or goes on with one where it stopped.
 * @param draft called only for a VM that is not there yet.
 * @throws ProxmintError that says what is kept and how to go on, or that nothing is; (invalid) if the VM exists and differs
 *   from what was given.
 */
export async function provisionVm(
  name: string,
  draft: () => Promise<DraftVm>,
  { apply, rollback, userSignature, wishes }: CreateOptions,
  unlocked: VmContext,
): Promise<Applied> {
  const { store } = unlocked
  const known = await store.find(name)
  if (known !== undefined) requireGiven(known, wishes)
  if (known !== undefined) say(`${name} is ${known.phase} already`)
  if (known === undefined && userSignature !== undefined) throw unsigned(name)
  const found = known ?? (await reserveNewVm(await draft(), unlocked))
  checkpoint('vm-reserved')
  return withVmLock(unlocked, found.name, 'vm create', async (context, lost) => {
    if (userSignature !== undefined) await keepSignature(name, userSignature, context)
    // By then the VM may be another run's.
    const onFailure = (entry: Entry, error: unknown) =>
      giveUp(entry, error, context, rollback && !lost.aborted)
    if (apply) return finishVm(found.name, context, onFailure)
    const entry = (await store.find(name)) ?? found
    if (entry.phase === 'reserved') await writeVmFolder(context.connection, entry, false)
    return { entry, did: entry.phase === 'reserved' ? 'reserved' : 'nothing' }
  })
}

async function keepSignature(name: string, text: string, { store }: VmContext): Promise<void> {
  const signature = await signatureFrom(text)
  await store.change(await requireEntry(store, name), entry => {
    if (entry.phase === 'reserved' || entry.phase === 'created') return withUserSignature(entry, signature)
    throw new ProxmintError(`${name} is ${entry.phase}: its token is minted already`, {
      hint: `zx scripts/mint.mts --update ${name} --user-signature ... changes it`,
      exitCode: exitCodes.usage,
    })
  })
}

/** Each token has a decrypt message of its own, so that no signature opens another token. */
function unsigned(name: string): ProxmintError {
  return new ProxmintError(`there is nothing yet that the owner of ${name} could have signed`, {
    hint: `reserve it first: zx scripts/vm.mts create ${name} --owner-wallet 0x...; then \`vm show ${name}\` tells the text`,
    exitCode: exitCodes.usage,
  })
}

async function giveUp(entry: Entry, error: unknown, context: VmContext, rollback: boolean): Promise<unknown> {
  const hasBooted = entry.failure?.step === 'boot' || wasActive(entry) || !NEVER_BOOTED.includes(entry.phase)
  if (!rollback || hasBooted || !(error instanceof ProxmintError)) return resumable(entry, error)
  // Ctrl-C ended the step, not what takes it back.
  const signal = new AbortController().signal
  await requireNobodyUses(entry, context.connection)
  const removed = await removeVm({ ...context, signal }, entry)
  return new ProxmintError(error.message, {
    facts: {
      ...error.facts,
      'rolled back': `${isGivenUp(removed) ? '' : `VM ${entry.vmid}, `}${entry.address} and the name are free again`,
    },
    hint: error.hint,
    cause: error,
    exitCode: error.exitCode,
  })
}
