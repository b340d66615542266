import { deleteVm } from '../proxmox/delete-vm.mts'
import { waitForTask } from '../proxmox/task.mts'
import { advance, type Entry, failed, type Phase } from '../registry/entry.mts'
import type { RegistryStore } from '../registry/store.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { withProgress } from '../run/progress.mts'
import type { Connection } from './connect.mts'
import { withTerraform } from './terraform-run.mts'
import { writeVmFolder } from './vm-folder.mts'
import { locateVm } from './vm-locate.mts'
import { verifyVm } from './vm-verify.mts'

export interface Working {
  store: RegistryStore
  connection: Connection
  signal: AbortSignal
}

interface Step {
  name: string
  next: Phase
  /** May be done again, wholly or in part. */
  act(entry: Entry, working: Working): Promise<void>
}

/** What takes a VM from one phase to the next. */
const steps: Partial<Record<Phase, Step>> = {
  reserved: { name: 'create', next: 'created', act: createOff },
  created: { name: 'boot', next: 'active', act: bootVm },
  minted: { name: 'boot', next: 'active', act: bootVm },
}

/** Whether `takeStep` brings it further. */
export function isUnfinished({ phase }: Entry): boolean {
  return steps[phase] !== undefined
}

/**
 * Takes a VM one phase further; whoever calls it holds the VM's lock.
 * @throws ProxmintError; the entry keeps its phase, with where and why it stopped.
 */
export async function takeStep(entry: Entry, working: Working): Promise<Entry> {
  const step = steps[entry.phase]!
  const { store } = working
  try {
    await step.act(entry, working)
  } catch (error) {
    await store.change(entry.name, one => failed(one, step.name, messageOf(error), new Date()))
    throw error
  }
  const advanced = await store.change(entry.name, one => advance(one, step.next, new Date()))
  checkpoint(step.next === 'created' ? 'vm-created' : 'vm-active')
  return advanced
}

/** The same failure, with what is kept and how to go on. */
export function resumable({ name, phase, vmid, address }: Entry, cause: unknown): unknown {
  if (!(cause instanceof ProxmintError)) return cause
  const again = `${name} is kept; to go on: zx scripts/apply.mts ${name}; to give it up: zx scripts/vm.mts destroy ${name}`
  return new ProxmintError(cause.message, {
    facts: { ...cause.facts, kept: `${name} is ${phase}, as VM ${vmid} with ${address}` },
    hint: cause.hint === undefined ? again : `${cause.hint}\n${again}`,
    cause,
    exitCode: cause.exitCode,
  })
}

/** Makes the VM, powered off. */
async function createOff(entry: Entry, { connection, signal }: Working): Promise<void> {
  const found = await locateVm(connection, entry)
  const folder = await writeVmFolder(entry, false)
  await withTerraform(connection, { name: entry.name, folder }, signal, async terraform => {
    const known = await terraform.knowsVm()
    // A run that died between clone and state left a VM that never ran.
    if (found !== undefined && !known) {
      await removeHalfMade(connection, { node: found.node, vmid: entry.vmid })
    }
    // It never ran, so that there is nothing to lose when the provider wants a half-made one anew.
    const options = { allowReplace: true, step: 'create' } as const
    await terraform.apply(found !== undefined && known ? 'update' : 'create', options)
  })
}

async function removeHalfMade(
  { client, config }: Connection,
  vm: { node: string; vmid: number },
): Promise<void> {
  await waitForTask(client, await deleteVm(client, vm), { timeoutMs: config.taskTimeoutSeconds * 1000 })
}

/** Starts the VM, and holds what runs then against the entry. */
export async function bootVm(entry: Entry, { connection, signal }: Working): Promise<void> {
  if ((await locateVm(connection, entry)) === undefined) throw gone(entry)
  const folder = await writeVmFolder(entry, true)
  await withTerraform(connection, { name: entry.name, folder }, signal, terraform =>
    terraform.apply('update', { allowReplace: false, step: 'boot' }),
  )
  await withProgress(`verify ${entry.name}`, () => verifyVm(connection.client, entry, signal))
  checkpoint('vm-verified')
}

export function gone({ name, vmid }: Entry): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is not in Proxmox any more`, {
    hint: `somebody destroyed it; give up its name and address: zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.failed,
  })
}
