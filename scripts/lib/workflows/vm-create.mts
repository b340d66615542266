import { deleteVm } from '../proxmox/delete-vm.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { findVmStatus } from '../proxmox/get-vm-status.mts'
import { waitForTask } from '../proxmox/task.mts'
import { advance, type Entry, failed, type Phase } from '../registry/entry.mts'
import { isVmOf } from '../registry/identity.mts'
import { noSuchEntry } from '../registry/revise.mts'
import type { RegistryStore } from '../registry/store.mts'
import { exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { withProgress } from '../run/progress.mts'
import { type Connection, connect } from './connect.mts'
import { withTerraform } from './terraform-run.mts'
import type { VmWishes } from './vm-design.mts'
import { writeVmFolder } from './vm-folder.mts'
import { reserveNewVm } from './vm-reserve.mts'
import { verifyVm } from './vm-verify.mts'

/**
 * Makes a VM, or goes on with one where it stopped. Each step is recorded before it acts.
 * @throws ProxmintError; the entry stays, with where and why it stopped, and the same call goes on from there.
 */
export async function createVm(
  store: RegistryStore,
  name: string,
  wishes: VmWishes,
  signal: AbortSignal,
): Promise<Entry> {
  const connection = await connect()
  const { name: found } = (await store.find(name)) ?? (await reserveNewVm(store, connection, name, wishes))
  return store.exclusively(found, 'vm create', async () => {
    let entry = await store.find(name)
    while (entry !== undefined && entry.phase !== 'active') {
      entry = await take(stepAfter(entry), store, entry, { connection, signal })
    }
    if (entry === undefined) throw noSuchEntry(name)
    return entry
  })
}

interface Working {
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
  created: { name: 'boot', next: 'active', act: boot },
  minted: { name: 'boot', next: 'active', act: boot },
}

function stepAfter({ name, phase }: Entry): Step {
  const step = steps[phase]
  if (step !== undefined) return step
  throw new ProxmintError(`${name} is ${phase}`, {
    hint: `zx scripts/vm.mts show ${name}`,
    exitCode: exitCodes.usage,
  })
}

async function take(step: Step, store: RegistryStore, entry: Entry, working: Working): Promise<Entry> {
  try {
    await step.act(entry, working)
  } catch (error) {
    await store.change(entry.name, one => failed(one, step.name, messageOf(error), new Date()))
    throw resumable(entry, step, error)
  }
  return store.change(entry.name, one => advance(one, step.next, new Date()))
}

/** The same failure, with what is kept and how to go on. */
function resumable(entry: Entry, step: Step, cause: unknown): unknown {
  if (!(cause instanceof ProxmintError)) return cause
  const kept = `${entry.name} is ${entry.phase}, as VM ${entry.vmid} with ${entry.address}`
  const again = `to go on: zx scripts/vm.mts create ${entry.name}`
  return new ProxmintError(cause.message, {
    facts: { ...cause.facts, step: step.name, kept },
    hint: cause.hint === undefined ? again : `${cause.hint}\n${again}`,
    cause,
    exitCode: cause.exitCode,
  })
}

/** Makes the VM, powered off. */
async function createOff(entry: Entry, { connection, signal }: Working): Promise<void> {
  const folder = await writeVmFolder(entry, false)
  await withTerraform(connection, { name: entry.name, folder }, signal, async terraform => {
    const known = await terraform.knowsVm()
    const exists = await existsAsOurs(connection, entry)
    // A run that died between clone and state left a VM that never ran.
    if (exists && !known) await removeHalfMade(connection, entry)
    await terraform.apply(exists && known ? 'update' : 'create')
  })
}

/** @throws ProxmintError where the VMID is somebody else's by now. */
async function existsAsOurs({ client }: Connection, entry: Entry): Promise<boolean> {
  const vm = { node: entry.node!, vmid: entry.vmid }
  const status = await findVmStatus(client, vm)
  if (status === undefined) return false
  if (isVmOf(entry, await getVmConfig(client, vm))) return true
  throw new ProxmintError(`VM ${entry.vmid} is ${status.name}, which somebody else made meanwhile`, {
    hint: `it is left alone; give this VM another number: zx scripts/vm.mts destroy ${entry.name}, then create it again`,
  })
}

async function removeHalfMade({ client, config }: Connection, entry: Entry): Promise<void> {
  const upid = await deleteVm(client, { node: entry.node!, vmid: entry.vmid })
  await waitForTask(client, upid, { timeoutMs: config.taskTimeoutSeconds * 1000 })
}

async function boot(entry: Entry, { connection, signal }: Working): Promise<void> {
  const folder = await writeVmFolder(entry, true)
  await withTerraform(connection, { name: entry.name, folder }, signal, terraform =>
    terraform.apply('update'),
  )
  await withProgress(`verify ${entry.name}`, () => verifyVm(connection.client, entry, signal))
}
