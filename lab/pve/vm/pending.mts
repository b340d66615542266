/** Waiting changes of a VM's config: what happens to them when they are applied (PVE/QemuServer.pm). */

import type { Pve } from '../core/pve.mts'
import type { Vm } from '../core/state.mts'
import { freeVolume } from '../storage/volumes.mts'
import { cloudInitOptionsOf, generateCloudInit } from './cloud-init.mts'
import { isCdrom, isCloudInit, parseDrive } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'
import { canPlug, canUnplug, isCloudInitDrive, isFast, isOtherMedium } from './hotplug.mts'
import { plugMemory } from './memory.mts'
import { storedConfig } from './settings.mts'
import { isRunning, keepUnused } from './vm.mts'

/** Waits with the removal of an option. @param force true: the volume of a drive is deleted, too. */
export function addToPendingDelete(vm: Vm, key: string, force: boolean): void {
  vm.pendingDelete = [...new Set([...vm.pendingDelete, key])]
  if (force) vm.forcedDelete = [...new Set([...(vm.forcedDelete ?? []), key])]
}

export function removeFromPendingDelete(vm: Vm, key: string): void {
  vm.pendingDelete = vm.pendingDelete.filter(each => each !== key)
  vm.forcedDelete = vm.forcedDelete?.filter(each => each !== key)
}

/** Drops waiting changes that change nothing. */
function cleanUp(vm: Vm): void {
  for (const [key, value] of Object.entries(vm.pending)) if (vm.config[key] === value) delete vm.pending[key]
  for (const key of vm.pendingDelete) if (vm.config[key] === undefined) removeFromPendingDelete(vm, key)
}

/** Removes the `unusedN` of volumes that a drive has. */
function forgetUsed(vm: Vm): void {
  const used = new Set(
    [vm.config, vm.pending].flatMap(config =>
      Object.keys(config)
        .filter(isDriveSlot)
        .map(slot => parseDrive(config[slot]!)?.file),
    ),
  )
  for (const key of Object.keys(vm.config))
    if (/^unused\d+$/.test(key) && used.has(vm.config[key])) delete vm.config[key]
}

/** Lets go of a drive. A disk of this VM stays as `unusedN`, a cloud-init drive is deleted. */
export async function registerUnused(pve: Pve, vm: Vm, value: string): Promise<void> {
  const drive = parseDrive(value)
  if (!drive || pve.store.state.volumes[drive.file]?.vmid !== vm.vmid) return
  if (isCloudInit(drive)) await freeVolume(pve, drive.file)
  else if (!isCdrom(drive)) keepUnused(vm.config, drive.file)
}

/** Deletes the volume of a drive if it belongs to this VM. A CD stays where it is. */
async function deallocate(pve: Pve, vm: Vm, value: string): Promise<void> {
  const drive = parseDrive(value)
  if (!drive || (isCdrom(drive) && !isCloudInit(drive))) return
  if (pve.store.state.volumes[drive.file]?.vmid === vm.vmid) await freeVolume(pve, drive.file)
}

async function applyRemoval(pve: Pve, vm: Vm, key: string): Promise<void> {
  const value = vm.config[key]
  if (value !== undefined && isDriveSlot(key))
    await (vm.forcedDelete?.includes(key) ? deallocate : registerUnused)(pve, vm, value)
  delete vm.config[key]
  removeFromPendingDelete(vm, key)
}

/** Sets an option. A drive that held another volume lets go of it. */
async function applyValue(pve: Pve, vm: Vm, key: string, value: string): Promise<void> {
  const before = isDriveSlot(key) ? vm.config[key] : undefined
  if (before !== undefined && parseDrive(before)?.file !== parseDrive(value)?.file)
    await registerUnused(pve, vm, before)
  vm.config[key] = value
  delete vm.pending[key]
}

function finish(vm: Vm): void {
  forgetUsed(vm)
  vm.config = storedConfig(vm.config)
}

/** Applies all waiting changes to a VM that does not run. A new cloud-init drive gets its content. */
export async function applyPending(pve: Pve, vm: Vm): Promise<void> {
  const hasNewDrive = Object.entries(vm.pending).some(([key, value]) => isCloudInitDrive(key, value))
  for (const key of [...vm.pendingDelete].sort()) await applyRemoval(pve, vm, key)
  for (const [key, value] of Object.entries(vm.pending)) await applyValue(pve, vm, key, value)
  finish(vm)
  if (hasNewDrive) await generateCloudInit(pve, vm.vmid, vm.config)
}

/** What a running machine takes of a new value, or why it refuses it. */
function plug({ config }: Vm, key: string, value: string): { value: string } | { fault: string } {
  if (isOtherMedium(config, key, value)) return { fault: 'unable to change media type\n' }
  return key === 'memory' && canPlug(config, key, value) ? plugMemory(config, value) : { value }
}

function unplugFault({ config }: Vm, key: string): string | undefined {
  const unplugged = key === 'memory' ? plugMemory(config, undefined) : { value: '' }
  return 'fault' in unplugged ? unplugged.fault : undefined
}

/** Applies to a running VM the changes that it takes at once. @returns a fault by option that cannot be changed. */
async function hotplugPending(pve: Pve, vm: Vm, keys: ReadonlySet<string>): Promise<Record<string, string>> {
  const faults: Record<string, string> = {}
  // The running guest has the drive of its start.
  vm.cloudInitApplied ??= cloudInitOptionsOf(vm.config)
  for (const [key, value] of Object.entries(vm.pending))
    if (isFast(key)) await applyValue(pve, vm, key, value)
  for (const key of [...vm.pendingDelete].sort()) {
    if (!keys.has(key) || !canUnplug(vm.config, key)) continue
    const fault = unplugFault(vm, key)
    if (fault !== undefined) faults[key] = `hotplug problem - ${fault}`
    else await applyRemoval(pve, vm, key)
  }
  for (const [key, value] of Object.entries(vm.pending)) {
    if (!keys.has(key)) continue
    const plugged = plug(vm, key, value)
    if ('fault' in plugged) faults[key] = `hotplug problem - ${plugged.fault}`
    else if (canPlug(vm.config, key, value)) await applyValue(pve, vm, key, plugged.value)
  }
  finish(vm)
  return faults
}

/**
 * Applies waiting changes as far as the VM's state allows.
 * @param keys options that the request named.
 * @returns a fault by option that cannot be changed.
 */
export async function settlePending(
  pve: Pve,
  vm: Vm,
  keys: ReadonlySet<string>,
): Promise<Record<string, string>> {
  cleanUp(vm)
  if (isRunning(pve, vm.vmid)) return hotplugPending(pve, vm, keys)
  if (Object.keys(vm.pending).length + vm.pendingDelete.length > 0) await applyPending(pve, vm)
  else finish(vm)
  return {}
}
