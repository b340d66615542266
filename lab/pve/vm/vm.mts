/** Finds VMs, and checks that most operations on a VM begin with. */

import { type ApiError, failure } from '../core/errors.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { digestOfVm } from './conf-file.mts'
import { memoryFormat } from './cpu-formats.mts'
import { agentFormat } from './option-formats.mts'

/** Makes Proxmox's error for a missing config file. Clients match its text. */
function missingConfig(node: string, vmid: number): ApiError {
  return failure(`Configuration file 'nodes/${node}/qemu-server/${vmid}.conf' does not exist`)
}

/** Finds a VM on the node that `pve` works on. @throws {ApiError} for a VM of another node, too. */
export function findVm(pve: Pve, vmid: number): Vm {
  const vm = pve.store.state.vms[vmid]
  if (vm?.node !== pve.node) throw missingConfig(pve.node, vmid)
  return vm
}

/** Requires the VM on this node, with the error of operations that look at its process first. @throws {ApiError} */
export function requireConfigFile(pve: Pve, vmid: number): void {
  if (pve.store.state.vms[vmid]?.node !== pve.node)
    throw failure(`unable to find configuration file for VM ${vmid} on node '${pve.node}'`)
}

/** @throws {ApiError} for a VM that is missing or does not run. */
export function requireRunning(pve: Pve, vmid: number): void {
  requireConfigFile(pve, vmid)
  if (!isRunning(pve, vmid)) throw failure(`VM ${vmid} not running`)
}

export function isPaused(pve: Pve, vmid: number): boolean {
  return pve.live.get(vmid)?.paused === true
}

export function isRunning(pve: Pve, vmid: number): boolean {
  return pve.live.has(vmid)
}

export function isTemplate(config: VmConfig): boolean {
  return config['template'] === '1'
}

export function hasLock(vm: Vm, lock: string): boolean {
  return vm.config['lock'] === lock
}

/** Refuses a VM with a `lock` in its config. That lock stays if its worker dies. Root may skip it. */
export function requireUnlocked(vm: Vm, skiplock = false): void {
  const lock = vm.config['lock']
  if (!skiplock && lock !== undefined) throw failure(`VM is locked (${lock})`)
}

export function requireDigest(vm: Vm, digest: string | undefined): void {
  if (digest !== undefined && digest !== digestOfVm(vm))
    throw failure('checksum mismatch (file change by other user?)')
}

/** Refuses to remove something of a protected VM. @param what `VM 100`, `drive 'scsi0'`. */
export function requireUnprotected(vm: Vm, what: string): void {
  if (vm.config['protection'] === '1') throw failure(`can't remove ${what} - protection mode enabled`)
}

/** Checks whether the `agent` option gives the guest a channel for the agent. */
export function hasAgentChannel(config: VmConfig): boolean {
  return parsePropertyString(agentFormat, config['agent'] ?? '0')['enabled'] === '1'
}

/** Returns the memory in MiB. */
export function memoryOf(config: VmConfig): number {
  return Number(parsePropertyString(memoryFormat, config['memory'] ?? '512')['current'])
}

export function coresOf(config: VmConfig): number {
  return Number(config['cores'] ?? 1) * Number(config['sockets'] ?? 1)
}

/** Returns the config after the next start. */
export function withPending(vm: Vm): VmConfig {
  const merged = { ...vm.config, ...vm.pending }
  for (const key of vm.pendingDelete) delete merged[key]
  return merged
}

/** Finds the pool of a VM. */
export function poolOf(pve: Pve, vmid: number): string | undefined {
  return Object.entries(pve.store.state.access.pools).find(([, pool]) => pool.vms.includes(vmid))?.[0]
}

/** Removes a VM from its pool. */
export function leavePools(pve: Pve, vmid: number): void {
  for (const pool of Object.values(pve.store.state.access.pools))
    pool.vms = pool.vms.filter(id => id !== vmid)
}

const MAX_UNUSED = 256

/** Enters a detached disk into the config as `unusedN`, once. Returns that key. @throws {ApiError} if all are taken. */
export function keepUnused(config: VmConfig, volid: string): string {
  const keys = Array.from({ length: MAX_UNUSED }, (_, index) => `unused${index}`)
  const key = keys.find(each => config[each] === volid) ?? keys.find(each => config[each] === undefined)
  if (key === undefined) throw failure('Too many unused volumes - please delete them first.')
  config[key] = volid
  return key
}
