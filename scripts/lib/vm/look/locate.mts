import { setTimeout as sleep } from 'node:timers/promises'
import { siteTagOf } from '../../config/site-tag.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { findVmStatus, type VmStatus } from '../../proxmox/get-vm-status.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { isContainer, listVmPlaces } from '../../proxmox/list-vms.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import { type Entry, withEvent } from '../../registry/entry.mts'
import { differencesFrom, isMarked } from '../../registry/identity.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'

export interface LocatedVm {
  /** The node it is on now: somebody may have migrated it. */
  node: string
  vmid: number
  status: VmStatus['status']
  /** Flag `protection`: Proxmox deletes neither the VM nor its disks. */
  isProtected: boolean
  /** Lock in the config, such as `backup` or `migrate`; undefined if there is none. */
  lock: string | undefined
  /** Whether it is started with its node, as every VM of ours is from its first boot until it is suspended. */
  startsWithNode?: boolean
  /** High availability starts, stops and moves it. */
  isHighlyAvailable?: boolean
}

/** The VM that Proxmox has under the VMID of an entry, and how it differs from the entry. */
export interface VmSight {
  /** Undefined if Proxmox confirms that nobody has the VMID, or that a container has it. */
  vm: LocatedVm | undefined
  /** Why it is not the VM of the entry, a phrase each; empty where it is. */
  differences: string[]
  /** Its config with the changes that wait for its next start; undefined if there is no VM. */
  config: VmConfig | undefined
  /** Whether it is another VM: its notes lack the id of the entry. */
  isForeign: boolean
}

const NO_VM: VmSight = { vm: undefined, differences: [], isForeign: false, config: undefined }
const CONTAINER: VmSight = { ...NO_VM, differences: ['it is a container'], isForeign: true }

/**
 * Locates the VM of an entry and compares VMID, name, entry id and, once it is made, the tag of the site.
 * @returns undefined only where Proxmox confirms that nobody has the VMID.
 * @throws ProxmintError where the VM is not the entry's, or cannot be seen.
 */
export async function locateVm(connection: Connection, entry: Entry): Promise<LocatedVm | undefined> {
  const sight = await lookAtVm(connection, entry)
  requireOwnVm(entry, sight)
  return sight.vm
}

/** @throws ProxmintError where somebody else's VM has the VMID of the entry. */
export function requireOwnVm(entry: Entry, { differences }: VmSight): void {
  if (differences.length > 0) throw foreign(entry, differences)
}

/** @throws ProxmintError where the VM with the VMID of the entry lacks its mark: it is somebody else's. */
export function requireMarked(entry: Entry, { isForeign, differences }: VmSight): void {
  if (isForeign) throw foreign(entry, differences)
}

/** @throws ProxmintError where the VM of an entry that was made is not in Proxmox. */
export function requireThere({ name, vmid }: Entry, vm: LocatedVm | undefined): LocatedVm {
  if (vm !== undefined) return vm
  throw new ProxmintError(`VM ${vmid} of ${name} is not in Proxmox any more`, {
    hint: `somebody destroyed it; give up its name and address: zx scripts/vm.mts destroy ${name}`,
  })
}

/**
 * Checks that the VM that was just made is the entry's: the plan was made before somebody else may have taken the VMID.
 * @throws ProxmintError if it is another VM, or not there.
 */
export async function requireMade(connection: Connection, entry: Entry): Promise<void> {
  const sight = await lookAtVm(connection, { ...entry, phase: 'created' })
  requireOwnVm(entry, sight)
  if (sight.vm !== undefined) return
  throw new ProxmintError(`VM ${entry.vmid} of ${entry.name} is not there after it was made`, {
    hint: `see its tasks in Proxmox; to make it again: zx scripts/apply.mts ${entry.name}`,
  })
}

/**
 * Locates the VM of an entry on whatever node it is: a person may have migrated it, or high availability.
 * @param check default: name, mark and tag must be the entry's. `requireMarked`: only the mark, since name and tag are put
 *   back.
 * @returns the VM, its config, and the entry with that node.
 * @throws ProxmintError as `locateVm`.
 */
export async function followVm(
  connection: Connection,
  entry: Entry,
  check: (entry: Entry, sight: VmSight) => void = requireOwnVm,
): Promise<{ vm: LocatedVm | undefined; entry: Entry; config: VmConfig | undefined }> {
  const sight = await lookAtVm(connection, entry)
  check(entry, sight)
  const { vm, config } = sight
  return { vm, config, entry: vm === undefined ? entry : { ...entry, node: vm.node } }
}

/** Writes down that a VM was found on another node than its entry says, once its files are there, too. */
export async function recordNode(
  entry: Entry,
  vm: LocatedVm | undefined,
  store: Pick<RegistryStore, 'change'>,
): Promise<void> {
  if (vm === undefined || vm.node === entry.node) return
  const what = `moved from ${entry.node} to ${vm.node}`
  say(`${entry.name} ${what}`)
  await store.change(entry, one => withEvent({ ...one, node: vm.node }, what, new Date()))
}

/** Looks at whatever VM has the VMID of the entry. @throws ProxmintError where it cannot be seen. */
export async function lookAtVm(connection: Connection, entry: Entry): Promise<VmSight> {
  const { client, config } = connection
  const seen = (await listVmPlaces(client)).find(vm => vm.vmid === entry.vmid)
  if (seen === undefined) {
    if (await isVmidFree(client, entry.vmid)) return NO_VM
    if (await isContainer(client, entry.vmid)) return CONTAINER
    throw notSeen(entry)
  }
  const vm = { node: seen.node, vmid: entry.vmid }
  const status = await statusAfterClone(connection, vm)
  if (status === undefined) return NO_VM
  // Terraform sets the tags only after the clone.
  const site = entry.phase === 'reserved' ? undefined : siteTagOf(config)
  const found = await getVmConfig(client, vm)
  return {
    vm: {
      ...vm,
      status: status.status,
      isHighlyAvailable: Number(status.ha?.managed ?? 0) === 1,
      ...barriersOf(found),
    },
    differences: differencesFrom(entry, found, site),
    isForeign: !isMarked(entry, found),
    config: found,
  }
}

/** Reads from a config what keeps Proxmox from deleting or stopping a VM. */
function barriersOf({
  protection,
  lock,
  onboot,
}: VmConfig): Pick<LocatedVm, 'isProtected' | 'lock' | 'startsWithNode'> {
  return {
    isProtected: Number(protection ?? 0) === 1,
    lock: lock === undefined ? undefined : String(lock),
    startsWithNode: Number(onboot ?? 0) === 1,
  }
}

/**
 * Waits for the end of a clone: Proxmox finishes it also when its run died, and the VM has neither name nor notes before.
 * @returns undefined if the VM is gone; with the lock if the clone has not ended in time.
 */
export async function statusAfterClone(
  { client, config }: Connection,
  vm: VmRef,
): Promise<VmStatus | undefined> {
  const deadline = Date.now() + config.taskTimeoutSeconds * 1000
  for (;;) {
    const status = await findVmStatus(client, vm)
    if (status?.lock !== 'clone' || Date.now() > deadline) return status
    await sleep(1000)
  }
}

function notSeen({ name, vmid, node }: Entry): ProxmintError {
  return new ProxmintError(
    `VMID ${vmid} of ${name} is taken in Proxmox, and the API token may not see by what`,
    {
      facts: { node: node ?? undefined },
      hint: 'nothing was changed; `zx scripts/check-permissions.mts` tells what the token lacks',
    },
  )
}

function foreign({ name, vmid }: Entry, differences: string[]): ProxmintError {
  return new ProxmintError(`VM ${vmid} is not ${name}: ${differences.join(', ')}; it is left alone`, {
    hint:
      'somebody changed it in Proxmox, or it is another VM; mend its name, notes and tags, or see ' +
      '`zx scripts/reconcile.mts`',
  })
}
