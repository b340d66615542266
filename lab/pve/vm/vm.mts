/** Finding VMs, and the guards that most operations on one begin with. */

import type { ApiError } from '../core/errors.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { digestOfVm } from './conf-file.mts'
import { parseProperties } from './drive.mts'

/** The text Proxmox fails with where a VM's config file is missing; clients match on it. */
function missingConfig(node: string, vmid: number): ApiError {
  return failure(`Configuration file 'nodes/${node}/qemu-server/${vmid}.conf' does not exist`)
}

/** A VM of the node `pve` works on; those of other nodes are not there. */
export function findVm(pve: Pve, vmid: number): Vm {
  const vm = pve.store.state.vms[vmid]
  if (vm?.node !== pve.node) throw missingConfig(pve.node, vmid)
  return vm
}

export function isRunning(pve: Pve, vmid: number): boolean {
  return pve.live.has(vmid)
}

export function isTemplate(config: VmConfig): boolean {
  return config['template'] === '1'
}

/** The config's own lock, which outlives the worker that set it when that one dies; root may skip it. */
export function requireUnlocked(vm: Vm, skiplock = false): void {
  const lock = vm.config['lock']
  if (!skiplock && lock !== undefined) throw failure(`VM is locked (${lock})`)
}

export function requireDigest(vm: Vm, digest: string | undefined): void {
  if (digest !== undefined && digest !== digestOfVm(vm))
    throw failure('checksum mismatch (file change by other user?)')
}

/** @param what is to be removed: `VM 100`, `drive 'scsi0'`. */
export function requireUnprotected(vm: Vm, what: string): void {
  if (vm.config['protection'] === '1') throw failure(`can't remove ${what} - protection mode enabled`)
}

/** Whether the `agent` option gives the guest a channel for the agent. */
export function hasAgentChannel(config: VmConfig): boolean {
  const enabled = parseProperties(config['agent'] ?? '', 'enabled')['enabled'] ?? ''
  return /^(1|on|yes|true)$/i.test(enabled)
}

/** In MiB. */
export function memoryOf(config: VmConfig): number {
  return Number(parseProperties(config['memory'] ?? '512', 'current')['current'])
}

export function coresOf(config: VmConfig): number {
  return Number(config['cores'] ?? 1) * Number(config['sockets'] ?? 1)
}

/** The config as it will be after the next start. */
export function withPending(vm: Vm): VmConfig {
  const merged = { ...vm.config, ...vm.pending }
  for (const key of vm.pendingDelete) delete merged[key]
  return merged
}

/** The pool a VM is in. */
export function poolOf(pve: Pve, vmid: number): string | undefined {
  return Object.entries(pve.store.state.access.pools).find(([, pool]) => pool.vms.includes(vmid))?.[0]
}

/** Notes a disk that left its slot, so that it is not forgotten on its storage. */
export function keepUnused(config: VmConfig, volid: string): void {
  let index = 0
  while (config[`unused${index}`] !== undefined) index += 1
  config[`unused${index}`] = volid
}
