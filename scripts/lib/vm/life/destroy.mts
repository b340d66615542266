import { deleteVm } from '../../proxmox/delete-vm.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { listNodes } from '../../proxmox/list-nodes.mts'
import { stopVm } from '../../proxmox/stop-vm.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { advance, cleared, type Entry, neverMade, type Phase, wasMade } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import { type Connection, cleaningOf } from '../../site/connect.mts'
import { removeVolume } from '../../site/remove-leftovers.mts'
import { type Cost, NOTHING_AGREED } from '../../terraform/costs.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNoBarrier } from '../look/barriers.mts'
import { type LocatedVm, locateVm, lookAtVm, requireOwnVm, type VmSight } from '../look/locate.mts'
import { requireNoLoss } from '../look/losses.mts'
import { removeSpare } from '../rebuild/spare.mts'
import { withoutState } from '../stack/broken-state.mts'
import { userDataVolume, writeFolderToDestroy } from '../stack/folder.mts'
import { entryOfFolder, removeVmFolder } from '../stack/remove-folder.mts'
import { withTerraform } from '../stack/terraform-run.mts'
import { backUpFirst } from './backup.mts'
import { notingFailure } from './failure.mts'
import { expireToken } from './token.mts'

/**
 * Destroys a VM: by Terraform where its state has it, and otherwise by the API. Name, VMID and address are free only
 * after Proxmox has confirmed that the VM is gone.
 * @throws ProxmintError where the VM in Proxmox is not the entry's; nothing is touched then.
 */
export async function destroyVm(name: string, unlocked: VmContext): Promise<Entry> {
  return withVmLock(unlocked, name, 'vm destroy', async context => {
    const entry = await requireEntry(context.store, name)
    // A refusal is told to the person, and is no failure of the VM.
    const sight = await lookToRemove(context, entry)
    return removeVm(context, entry, async () => sight)
  })
}

/** The phases before the first boot. */
const NEVER_RAN: Phase[] = ['reserved', 'created', 'minted']

/** Gives up a VM that never ran and whose VMID another VM has. A state in a backend is emptied; Proxmox is not asked. */
async function giveUp(connection: Connection, entry: Entry, signal: AbortSignal): Promise<void> {
  const { name, vmid } = entry
  say(`VM ${vmid} is not ${name}: another VM has the VMID; it is left alone, and ${name} is given up`)
  if (entry.design === null) return
  const hasState = (await connection.site.backend()).type !== 'local'
  // A run that died after it took another VMID left the folder of the entry before.
  if (!hasState && [undefined, entry.id].includes(await entryOfFolder(name))) return
  const folder = await writeFolderToDestroy(connection, entry)
  if (!hasState) return
  await withTerraform(connection, { entry, folder }, signal, async terraform => {
    if (await terraform.knowsAnything()) await terraform.forget()
  })
}

/** VM as it was found. */
interface RemovableVm {
  vm: LocatedVm | undefined
  /** Somebody else made a VM with this VMID before ours ran: it is left alone. */
  isOther: boolean
}

/** Looks at the VM of an entry. @throws ProxmintError if it may not be destroyed; nothing is touched then. */
async function lookToRemove(context: VmContext, entry: Entry): Promise<RemovableVm> {
  const sight = await lookAtVm(context.connection, entry)
  const isOther = sight.isForeign && NEVER_RAN.includes(entry.phase)
  if (!isOther) {
    requireOwnVm(entry, sight)
    requireNoBarrier(entry.name, sight.vm)
    await requireAgreed('destroy', entry, sight, context)
  }
  return { vm: sight.vm, isOther }
}

/**
 * Destroys a VM whose lock the caller holds. Its folder goes first: once the entry is gone, nobody would look for it.
 * @param look looks at the VM; a refusal is noted in the registry as a failure, for who reads later what `gc` did.
 */
export async function removeVm(
  context: VmContext,
  entry: Entry,
  look = () => lookToRemove(context, entry),
): Promise<Entry> {
  const { store, connection, issuer, signal } = context
  const { name } = entry
  const isOther = await notingFailure(store, entry, 'destroy', async () => {
    const { vm, isOther } = await look()
    // First the backup: where it fails, a rebuild can go on with its spare VM.
    if (!isOther) await backUpFirst(entry, vm, context)
    if (entry.rebuild !== undefined && !isOther) await removeSpare(entry, connection)
    await (isOther ? giveUp(connection, entry, signal) : removeFromProxmox(connection, entry, vm, signal))
    checkpoint('vm-destroyed')
    await removeUserData(connection, entry)
    await removeVmFolder(name, entry.id, connection)
    checkpoint('vm-folder-removed')
    return isOther
  })
  const token = await expireToken(entry, issuer)
  const end = isOther ? neverMade : (one: Entry, at: Date) => advance(one, 'destroyed', at)
  const destroyed = await store.change(entry, ({ restoring: _, ...one }) =>
    end({ ...one, token }, new Date()),
  )
  checkpoint('vm-forgotten')
  return destroyed
}

/**
 * Removes the VM that an entry had before it was to be rebuilt; the caller holds the VM's lock. The entry is as one
 * that was just reserved only after Proxmox has confirmed that the VM is gone. Until then nobody could tell an old VM
 * from a new one: both have its name, its VMID and its id in their notes.
 */
export async function removeReplaced(entry: Entry, context: VmContext): Promise<Entry> {
  const { store, connection, signal } = context
  await notingFailure(store, entry, 'rebuild', async () => {
    const sight = await lookAtVm(connection, entry)
    requireOwnVm(entry, sight)
    await requireAgreed('rebuild', entry, sight, context)
    await removeFromProxmox(connection, entry, sight.vm, signal)
  })
  const after = await store.change(entry, one => cleared(one, new Date()))
  checkpoint('vm-rebuild-cleared')
  return after
}

/** @throws ProxmintError (invalid) if something of a person's would go with the VM and nobody agreed to that. */
async function requireAgreed(
  verb: 'destroy' | 'rebuild',
  entry: Entry,
  { vm, config }: VmSight,
  { connection, allowed = new Set() }: VmContext,
): Promise<void> {
  if (vm === undefined || config === undefined) return
  const agreement = { allowed, again: `zx scripts/vm.mts ${verb} ${entry.name}` }
  const costs: Cost[] = verb === 'rebuild' ? ['remove', 'data-loss'] : ['data-loss']
  await requireNoLoss(connection.client, entry, { vm, config }, agreement, costs)
}

/**
 * Removes the VM by Terraform, and by the API where no state has it, and asks Proxmox whether its VMID is free then.
 * @param found as it was just located.
 * @throws ProxmintError as `requireNoBarrier`, before anything is stopped; also if the VM is still there afterwards.
 */
async function removeFromProxmox(
  connection: Connection,
  entry: Entry,
  found: LocatedVm | undefined,
  signal: AbortSignal,
): Promise<void> {
  const isGone = () => isVmidFree(connection.client, entry.vmid)
  requireNoBarrier(entry.name, found)
  let left = found
  if (entry.design !== null) {
    await destroyByTerraform(connection, entry, signal).catch(error => withoutState(entry, error, connection))
    if (await isGone()) return
    left = await locateVm(connection, entry)
    requireNoBarrier(entry.name, left)
  }
  if (left === undefined) return
  await destroyByApi(connection, left)
  if (await isGone()) return
  throw new ProxmintError(`VM ${entry.vmid} of ${entry.name} is still there after it was deleted`, {
    hint: 'look at it under Tasks in Proxmox, then run the command again',
  })
}

async function destroyByTerraform(connection: Connection, entry: Entry, signal: AbortSignal): Promise<void> {
  const folder = await writeFolderToDestroy(connection, entry)
  await withTerraform(connection, { entry, folder }, signal, async terraform => {
    if (!(await terraform.knowsAnything())) return
    const lost = await nodesThatLeft(connection, await terraform.nodes())
    if (lost.length === 0) {
      await terraform.plan('destroy', NOTHING_AGREED)
      await terraform.apply('destroy', 'destroy')
      return
    }
    say(`warning: ${lost.join(', ')} left the cluster: what ${entry.name} has there is given up`)
    await terraform.forget()
  })
}

/** Lists those of the nodes that are in the cluster no more: Proxmox answers no question about them. */
async function nodesThatLeft({ client }: Connection, nodes: string[]): Promise<string[]> {
  const members = new Set((await listNodes(client)).map(({ node }) => node))
  return nodes.filter(node => !members.has(node))
}

/** Stops and deletes a VM that no state has. */
async function destroyByApi({ client, config }: Connection, { status, ...vm }: LocatedVm): Promise<void> {
  const options = { timeoutMs: config.taskTimeoutSeconds * 1000 }
  if (status === 'running') await waitForTask(client, await stopVm(client, vm), options)
  await waitForTask(client, await deleteVm(client, vm), options)
}

/** Removes the user-data of a VM, also where no state has it any more. */
export async function removeUserData(connection: Connection, entry: Entry): Promise<void> {
  const { node, design } = entry
  if (design === null || node === null) return
  const { storage, ownFile } = design.cloudInit
  // Without an id in its name, the file is another site's where this one never had a VM.
  if (!ownFile && !wasMade(entry)) return
  if ((await nodesThatLeft(connection, [node])).length > 0) {
    say(`warning: ${node} left the cluster: the user-data of ${entry.name} on ${storage} is not looked for`)
    return
  }
  await removeVolume(cleaningOf(connection), node, userDataVolume(entry)!)
}
