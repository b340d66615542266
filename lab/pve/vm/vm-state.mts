/** The volume with a VM's memory: of a VM that is suspended to disk, or of a snapshot. */

import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { createStateVolume } from '../storage/new-volumes.mts'
import { parseVolumeId, storageOf } from '../storage/storages.mts'
import { isFileBased } from '../storage/types.mts'
import { freeVolume, volumeOf } from '../storage/volumes.mts'
import { drivesOf, isCdrom } from './drive.mts'
import { nicsOf } from './identity.mts'
import { memoryOf } from './vm.mts'

const MIB = 1024 ** 2
/** MiB that Proxmox adds for the state of devices. */
const DEVICES_MIB = 500
/** Machine and processor of running guests. Clients only show them. */
export const RUNNING_MACHINE = { 8: 'pc-i440fx-9.2+pve1', 9: 'pc-i440fx-10.1+pve0' } as const

/** Options that exist only as long as a state does. */
const STATE_OPTIONS = ['vmstate', 'runningmachine', 'runningcpu', 'running-nets-host-mtu'] as const

/** Finds the storage for a state: the configured one, or one with a disk of the VM; shared and file-based ones first. */
export function stateStorageOf(pve: Pve, config: VmConfig): string {
  if (config['vmstatestorage'] !== undefined) return config['vmstatestorage']
  const disks = drivesOf(config).filter(([, drive]) => !isCdrom(drive))
  const used = new Set(disks.flatMap(([, { file }]) => parseVolumeId(file)?.storage ?? []))
  let found: { shared?: string; local?: string } = {}
  for (const id of [...used].sort()) {
    const storage = storageOf(pve, id)
    const kind = storage.shared ? 'shared' : 'local'
    if (found[kind] === undefined || isFileBased(storage)) found = { ...found, [kind]: id }
  }
  return found.shared ?? found.local ?? 'local'
}

function runningOptions(pve: Pve, config: VmConfig): VmConfig {
  const mtus = nicsOf(config).map(([slot]) => `${slot}=1500`)
  return {
    runningmachine: RUNNING_MACHINE[pve.version],
    runningcpu: 'kvm64,enforce,+kvm_pv_eoi,+kvm_pv_unhalt,+lahf_lm,+sep',
    ...(mtus.length > 0 && { 'running-nets-host-mtu': mtus.join(',') }),
  }
}

/**
 * Makes the volume for a state.
 * @param name end of its name: a snapshot's name, or `suspend-` and the date.
 * @returns options for the config that owns the state.
 */
export async function allocateState(pve: Pve, vm: Vm, name: string, storage?: string): Promise<VmConfig> {
  const { vmid, config } = vm
  const size = (memoryOf(config) * 2 + DEVICES_MIB) * MIB
  const target = storage ?? stateStorageOf(pve, config)
  const { volid } = await createStateVolume(pve, target, vmid, { name: `vm-${vmid}-state-${name}`, size })
  return { ...runningOptions(pve, config), vmstate: volid }
}

/** Returns the path of a state; undefined without one. @throws {ApiError} if its volume is gone. */
export function statePathOf(pve: Pve, volid: string | undefined): string | undefined {
  return volid === undefined ? undefined : volumeOf(pve, volid).path
}

/** Returns a config without the options of a state. */
export function withoutState(config: VmConfig): VmConfig {
  const rest = { ...config }
  for (const key of STATE_OPTIONS) delete rest[key]
  return rest
}

/** Deletes the state of a suspended VM, and its lock. */
export async function dropState(pve: Pve, vm: Vm): Promise<void> {
  const { vmstate } = vm.config
  if (vmstate !== undefined) await freeVolume(pve, vmstate)
  const { lock: _, ...config } = withoutState(vm.config)
  vm.config = config
}
