import { waitForTask } from '../../proxmox/task.mts'
import { advance, type Entry, type Phase } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { withProgress } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { deleteUnfinished } from '../../site/remove-leftovers.mts'
import type { VmContext } from '../context.mts'
import { locateVm } from '../look/locate.mts'
import { onNodeOf, rememberNode } from '../look/moved.mts'
import { verifyVm } from '../look/verify.mts'
import { writeVmFolder } from '../stack/folder.mts'
import { withTerraform } from '../stack/terraform-run.mts'
import { noteFailure } from './failure.mts'
import { mintsBeforeBoot, mintToken, requireOwnToken } from './mint.mts'

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
async function createOff(before: Entry, { store, connection, signal }: VmContext): Promise<undefined> {
  const found = await locateVm(connection, before)
  const entry = onNodeOf(before, found)
  const folder = await writeVmFolder(connection.site, entry, false)
  await withTerraform(connection, { entry, folder }, signal, async terraform => {
    const known = await terraform.knowsVm()
    // A run that died between clone and state left a VM that never ran.
    if (found !== undefined && !known) {
      await removeHalfMade(connection, { node: found.node, vmid: entry.vmid })
    }
    // It never ran, so that there is nothing to lose when the provider wants a half-made one anew.
    const options = { allowReplace: true, step: 'create' } as const
    await terraform.apply(found !== undefined && known ? 'update' : 'create', options)
  })
  await rememberNode(before, found, store)
}

async function removeHalfMade(
  { client, config }: Connection,
  vm: { node: string; vmid: number },
): Promise<void> {
  const upid = await deleteUnfinished(client, vm)
  await waitForTask(client, upid, { timeoutMs: config.taskTimeoutSeconds * 1000 })
}

/** Starts the VM, and holds what runs then against the entry. */
export async function bootVm(before: Entry, { store, connection, signal }: VmContext): Promise<undefined> {
  requireOwnToken(before)
  const vm = await locateVm(connection, before)
  if (vm === undefined) throw gone(before)
  const entry = onNodeOf(before, vm)
  const folder = await writeVmFolder(connection.site, entry, true)
  await withTerraform(connection, { entry, folder }, signal, terraform =>
    terraform.apply('update', { allowReplace: false, step: 'boot' }),
  )
  await rememberNode(before, vm, store)
  await withProgress(`verify ${entry.name}`, () => verifyVm(connection.client, entry, signal))
  checkpoint('vm-verified')
}

export function gone({ name, vmid }: Entry): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is not in Proxmox any more`, {
    hint: `somebody destroyed it; give up its name and address: zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.failed,
  })
}
