import { advance, type Entry, type Phase } from '../../registry/entry.mts'
import { type Checkpoint, checkpoint } from '../../run/checkpoint.mts'
import { ProxmintError } from '../../run/errors.mts'
import { withProgress } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'
import { verifyVm } from '../look/verify.mts'
import { converge } from '../stack/converge.mts'
import { noteFailure } from './failure.mts'
import { mintsBeforeBoot, mintToken, requireOwnToken } from './mint.mts'

interface Step {
  name: string
  next: Phase
  reached: Checkpoint
  /** May be done again, wholly or in part. @returns what else is known of the VM then. */
  act(entry: Entry, context: VmContext): Promise<Partial<Entry> | undefined>
}

const create: Step = { name: 'create', next: 'created', reached: 'vm-created', act: createOff }
const mint: Step = { name: 'mint', next: 'minted', reached: 'vm-minted', act: mintToken }
const boot: Step = { name: 'boot', next: 'active', reached: 'vm-active', act: bootVm }

/** What takes a VM to its next phase; undefined where it is done. */
function stepOf(entry: Entry): Step | undefined {
  if (entry.phase === 'reserved') return create
  // One that is rebuilt keeps its token.
  if (entry.phase === 'created')
    return mintsBeforeBoot(entry) && entry.token?.status !== 'minted' ? mint : boot
  return entry.phase === 'minted' ? boot : undefined
}

/** Whether `takeStep` brings it further. */
export function isUnfinished(entry: Entry): boolean {
  return stepOf(entry) !== undefined
}

/**
 * Takes a VM one phase further; whoever calls it holds the VM's lock.
 * @throws ProxmintError; the entry keeps its phase, with where and why it stopped.
 */
export async function takeStep(entry: Entry, context: VmContext): Promise<Entry> {
  const step = stepOf(entry)!
  const { store } = context
  let learned: Partial<Entry> | undefined
  try {
    learned = await step.act(entry, context)
  } catch (error) {
    await noteFailure(store, entry, step.name, error)
    throw error
  }
  const advanced = await store.change(entry.name, one =>
    advance({ ...one, ...learned }, step.next, new Date()),
  )
  checkpoint(step.reached)
  return advanced
}

/** The same failure, with what is kept and how to go on. */
export function resumable(entry: Entry, cause: unknown): unknown {
  const { name, phase, vmid, address } = entry
  if (!(cause instanceof ProxmintError)) return cause
  const again = `${name} is kept; to go on: ${nextCommand(entry)}; to give it up: zx scripts/vm.mts destroy ${name}`
  return new ProxmintError(cause.message, {
    facts: { ...cause.facts, kept: `${name} is ${phase}, as VM ${vmid} with ${address}` },
    hint: cause.hint === undefined ? again : `${cause.hint}\n${again}`,
    cause,
    exitCode: cause.exitCode,
  })
}

/** `apply` would power a VM off whose `resume` failed, and mints nothing for one that runs. */
function nextCommand({ name, phase, failure }: Entry): string {
  if (failure?.step === 'mint' && phase !== 'created') return `zx scripts/mint.mts --vm ${name}`
  return phase === 'suspended' ? `zx scripts/vm.mts resume ${name}` : `zx scripts/apply.mts ${name}`
}

/** Makes the VM, powered off. */
async function createOff(entry: Entry, context: VmContext): Promise<undefined> {
  await converge(entry, { started: false, intent: 'create', step: 'create' }, context)
}

/** Starts the VM and compares what runs then with the entry. */
export async function bootVm(before: Entry, context: VmContext): Promise<undefined> {
  requireOwnToken(before)
  const { entry } = await converge(before, { started: true, intent: 'update', step: 'boot' }, context)
  const { connection, signal } = context
  await withProgress(`verify ${entry.name}`, () => verifyVm(connection.client, entry, signal))
  checkpoint('vm-verified')
}
