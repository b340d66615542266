/** Brings a VM in Proxmox to what its entry says, or plans that. */
import { waitForTask } from '../../proxmox/task.mts'
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import { deleteUnfinished } from '../../site/remove-leftovers.mts'
import type { VmContext } from '../context.mts'
import { followVm, type LocatedVm, recordNode } from '../look/locate.mts'
import { writeVmFolder } from './folder.mts'
import { type TerraformStep, type VmTerraform, withTerraform } from './terraform-run.mts'

/** What a VM is to become, and what may be lost on the way. */
interface Goal {
  /** Whether the VM runs afterwards. */
  started: boolean
  /** `create`: the VM never ran, so that nothing is lost where it is made anew. `update`: its disk is kept. */
  intent: 'create' | 'update'
  /** Its disk may be lost: a VM that is missing is made anew, and a plan may replace it. */
  allowReplace?: boolean
  /** Plans, and applies nothing. */
  planOnly?: boolean
  /** Names the checkpoints of the apply. */
  step?: TerraformStep
}

interface Converged {
  /** As in the registry, with the node the VM was found on. */
  entry: Entry
  /** Whether anything was applied. */
  changed: boolean
  /** The plan for a person, with `planOnly`. */
  plan?: string
}

/**
 * Locates the VM of an entry, writes its folder for the node it is on, and runs Terraform there. A node that is new
 * is written down last. The caller holds the VM's lock.
 * @throws ProxmintError where the VM is missing or somebody else's, and where the guard refuses the plan.
 */
export async function converge(before: Entry, goal: Goal, context: VmContext): Promise<Converged> {
  const { connection, store, signal } = context
  const { vm, entry } = await followVm(connection, before)
  if (vm === undefined && !mayCreate(goal)) throw missing(before)
  const folder = await writeVmFolder(connection.site, entry, goal.started)
  const done = await withTerraform(connection, { entry, folder }, signal, terraform =>
    run(terraform, vm, goal, connection),
  )
  if (!goal.planOnly) await recordNode(before, vm, store)
  return { entry, ...done }
}

/** Terraform would make a VM that somebody destroyed once more, with an empty disk. */
function mayCreate({ intent, allowReplace, planOnly }: Goal): boolean {
  return intent === 'create' || allowReplace === true || planOnly === true
}

async function run(
  terraform: VmTerraform,
  vm: LocatedVm | undefined,
  goal: Goal,
  connection: Connection,
): Promise<Pick<Converged, 'changed' | 'plan'>> {
  const isNew = goal.intent === 'create'
  const isThere = vm !== undefined && !(isNew && (await removeHalfMade(terraform, vm, connection)))
  const intent = isThere ? 'update' : 'create'
  const allowReplace = isNew || goal.allowReplace === true
  if (goal.planOnly) {
    return { changed: false, plan: (await terraform.plan(intent, { allowReplace })) ?? 'nothing differs' }
  }
  return { changed: await terraform.apply(intent, { allowReplace, step: goal.step }) }
}

/** Removes a VM that a run left which died between the clone and the state. @returns whether it was one. */
async function removeHalfMade(
  terraform: VmTerraform,
  { node, vmid }: LocatedVm,
  { client, config }: Connection,
): Promise<boolean> {
  if (await terraform.knowsVm()) return false
  const upid = await deleteUnfinished(client, { node, vmid })
  await waitForTask(client, upid, { timeoutMs: config.taskTimeoutSeconds * 1000 })
  return true
}

function missing({ name, vmid }: Entry): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is not in Proxmox any more`, {
    hint: `somebody destroyed it; give up its name and address: zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.failed,
  })
}
