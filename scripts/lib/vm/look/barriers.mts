/** What somebody set in Proxmox so that a VM is left as it is: the flag `protection`, or a lock of its config. */
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { LocatedVm } from './locate.mts'

/**
 * Checks before a VM is stopped or deleted that Proxmox will let that happen.
 * @param vm as it was just located; undefined if there is none: nothing is checked.
 * @throws ProxmintError with the command that lifts the barrier.
 */
export function requireNoBarrier(name: string, vm: LocatedVm | undefined): void {
  if (vm?.isProtected) throw protectedVm(name, vm)
  requireNoLock(name, vm)
}

/**
 * Checks before a VM is changed that Proxmox does not work on it itself: a backup, a migration, a snapshot.
 * @throws ProxmintError with the command that lifts the lock.
 */
export function requireNoLock(name: string, vm: LocatedVm | undefined): void {
  if (vm?.lock !== undefined) throw locked(name, vm, vm.lock)
}

/** @throws ProxmintError (usage) for a VM whose restore from a backup was begun and is not finished. */
export function requireRestored({ name, restoring }: Entry): void {
  if (restoring === undefined) return
  throw new ProxmintError(`the restore of ${name} is not finished`, {
    hint: `to go on: zx scripts/vm.mts restore ${name}; to give it up: zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.usage,
  })
}

function protectedVm(name: string, { vmid, node }: LocatedVm): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is protected in Proxmox; it is left as it is`, {
    hint: `somebody set the flag, so ask them; to lift it, on ${node}: qm set ${vmid} --protection 0`,
  })
}

function locked(name: string, { vmid, node }: LocatedVm, lock: string): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is locked in Proxmox (${lock}); it is left as it is`, {
    hint: `wait for its task to end; if no task runs any more, unlock it, on ${node}: qm unlock ${vmid}`,
  })
}
