import { mintsBeforeBoot } from '../../credential/vm-token.mts'
import { advance, type Entry, type Phase } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import type { VmContext } from '../context.mts'
import { converge } from '../stack/converge.mts'
import { notingFailure } from './failure.mts'
import { bootVm } from './power.mts'
import { mintToken } from './token.mts'

interface Step {
  name: string
  next: Phase
  reached: string
  /** May be done again, wholly or in part. @returns what else is known of the VM then. */
  act(entry: Entry, context: VmContext): Promise<Partial<Entry> | undefined>
}

const create: Step = { name: 'create', next: 'created', reached: 'vm-created', act: createOff }
const mint: Step = { name: 'mint', next: 'minted', reached: 'vm-minted', act: mintToken }
const boot: Step = { name: 'boot', next: 'active', reached: 'vm-active', act: bootVm }

/** Names the step that takes a VM to its next phase; undefined where no step is left. */
function stepOf(entry: Entry): Step | undefined {
  if (entry.phase === 'reserved') return create
  // A VM that is rebuilt keeps its token.
  if (entry.phase === 'created')
    return mintsBeforeBoot(entry) && entry.token?.status !== 'minted' ? mint : boot
  return entry.phase === 'minted' ? boot : undefined
}

/** Whether `takeStep` brings the VM further. */
export function isUnfinished(entry: Entry): boolean {
  return stepOf(entry) !== undefined
}

/**
 * Takes a VM one phase further. The caller holds the VM's lock.
 * @throws ProxmintError; the entry keeps its phase, with where and why it stopped.
 */
export async function takeStep(entry: Entry, context: VmContext): Promise<Entry> {
  const step = stepOf(entry)!
  const { store } = context
  const learned = await notingFailure(store, entry, step.name, () => step.act(entry, context))
  const advanced = await store.change(entry, one => advance({ ...one, ...learned }, step.next, new Date()))
  checkpoint(step.reached)
  return advanced
}

/** Makes the VM, powered off. */
async function createOff(entry: Entry, context: VmContext): Promise<undefined> {
  await converge(entry, { started: false, intent: 'create', step: 'create' }, context)
}
