/** Entries of VMs in lists, and the status of one VM. */

import { availableParallelism } from 'node:os'
import { findNode } from '../core/cluster.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve, Statistics } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import { bootDisksOf } from './boot-order.mts'
import { vgaFormat } from './device-formats.mts'
import { isCdrom, parseDrive, parseSize } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'
import { isHighlyAvailable } from './ha-power.mts'
import { nicsOf } from './identity.mts'
import { QEMU_VERSION } from './machine.mts'
import { coresOf, hasAgentChannel, isRunning, isTemplate, memoryOf } from './vm.mts'
import { RUNNING_MACHINE } from './vm-state.mts'

/** Returns the size of the first disk in the boot order, in bytes; 0 without one. */
function bootDiskSize({ config }: Vm): number {
  for (const slot of bootDisksOf(config)) {
    const drive = isDriveSlot(slot) ? parseDrive(config[slot] ?? '') : undefined
    if (drive && !isCdrom(drive)) return parseSize(drive.options['size'] ?? '0') ?? 0
  }
  return 0
}

/** Returns the number of CPUs that a guest sees: no more than the node has. */
function cpusOf(pve: Pve, { config }: Vm): number {
  if (config['vcpus'] !== undefined) return Number(config['vcpus'])
  return Math.min(coresOf(config), findNode(pve.store.state, pve.node)?.cores ?? availableParallelism())
}

const DISK_TRAFFIC = { diskread: 0, diskwrite: 0 }

function usage(pve: Pve, vm: Vm): ApiObject {
  const live = pve.live.get(vm.vmid)
  const mem = live ? Math.floor(memoryOf(vm.config) * 1024 ** 2 * 0.4) : 0
  return {
    status: live ? 'running' : 'stopped',
    uptime: live ? Math.max(1, Math.floor((Date.now() - live.startedAt) / 1000)) : 0,
    cpu: 0,
    mem,
    maxmem: memoryOf(vm.config) * 1024 ** 2,
    maxdisk: bootDiskSize(vm),
    disk: 0,
    netin: 0,
    netout: 0,
  }
}

function memoryOnHost(pve: Pve, { mem }: ApiObject): ApiObject {
  return pve.version >= 9 ? { memhost: mem } : {}
}

/** Returns what of a VM's config the lists of VMs have. */
export function listedSettings({ config }: Vm): { lock?: string; tags?: string } {
  return {
    ...(config['lock'] !== undefined && { lock: config['lock'] }),
    ...(config['tags'] !== undefined && config['tags'] !== '' && { tags: config['tags'] }),
  }
}

function nameOf(vm: Vm): string {
  return vm.config['name'] ?? `VM ${vm.vmid}`
}

/** Returns what the node sends of a VM to the cluster. */
export function vmStatistics(pve: Pve, vm: Vm): ApiObject {
  const used = usage(pve, vm)
  return {
    name: nameOf(vm),
    template: isTemplate(vm.config) ? 1 : 0,
    maxcpu: cpusOf(pve, vm),
    ...used,
    ...DISK_TRAFFIC,
    ...memoryOnHost(pve, used),
    status: runState(pve, vm)['qmpstatus'],
  }
}

/** Returns a member of a pool. Its place is right, the rest is as old as the statistics. */
export function resourceOf(vm: Vm, statistics: Statistics): ApiObject {
  return {
    id: `qemu/${vm.vmid}`,
    type: 'qemu',
    node: vm.node,
    vmid: vm.vmid,
    status: 'unknown',
    ...statistics.get(`vm/${vm.vmid}`),
  }
}

/** Returns the limits of a balloon, if the config has one. */
function balloonOf({ config }: Vm): ApiObject {
  const { balloon, shares } = config
  if (!Number(balloon)) return {}
  return { balloon_min: Number(balloon) * 1024 ** 2, shares: Number(shares ?? 1000) }
}

const NO_PRESSURE = Object.fromEntries(
  ['cpu', 'io', 'memory'].flatMap(what => ['some', 'full'].map(who => [`pressure${what}${who}`, 0])),
)

/** Returns an entry of `/nodes/{node}/qemu`. @param full with what only QEMU itself knows. */
export function listEntryOf(pve: Pve, vm: Vm, full = false): ApiObject {
  const live = pve.live.get(vm.vmid)
  const used = usage(pve, vm)
  return {
    vmid: vm.vmid,
    name: nameOf(vm),
    cpus: cpusOf(pve, vm),
    ...used,
    ...memoryOnHost(pve, used),
    ...balloonOf(vm),
    ...(isTemplate(vm.config) && { template: 1 }),
    ...(hasSerial(vm) && { serial: 1 }),
    ...(live && { pid: live.pid, ...(pve.version >= 9 && NO_PRESSURE) }),
    ...(full && runState(pve, vm)),
    ...listedSettings(vm),
  }
}

function hasSerial({ config }: Vm): boolean {
  return ['serial0', 'serial1', 'serial2', 'serial3'].some(key => config[key])
}

/** Returns what QEMU says of a running VM. */
function runState(pve: Pve, vm: Vm): ApiObject {
  const live = pve.live.get(vm.vmid)
  if (!live) return { qmpstatus: 'stopped' }
  const taps = nicsOf(vm.config).map(([slot]) => `tap${vm.vmid}i${slot.slice('net'.length)}`)
  return {
    qmpstatus: live.paused ? 'paused' : 'running',
    ...DISK_TRAFFIC,
    balloon: memoryOf(vm.config) * 1024 ** 2,
    nics: Object.fromEntries(taps.map(tap => [tap, { netin: 0, netout: 0 }])),
    'running-machine': RUNNING_MACHINE[pve.version],
    'running-qemu': QEMU_VERSION[pve.version],
  }
}

/** Returns whether the display of a VM is for SPICE, as an answer has it. */
function displayOf({ config }: Vm): ApiObject {
  if (config['vga'] === undefined) return {}
  const { type = '', clipboard } = parsePropertyString(vgaFormat, config['vga'])
  return { ...(/^(virtio|qxl)/.test(type) && { spice: 1 }), clipboard: clipboard ?? null }
}

/** Returns what the manager of high availability says of a VM (`get_service_status` in PVE/HA/Config.pm). */
function haOf(pve: Pve, vmid: number): ApiObject {
  if (!isHighlyAvailable(pve, vmid)) return { managed: 0 }
  return { managed: 1, state: isRunning(pve, vmid) ? 'started' : 'stopped' }
}

/** Returns the answer to `/nodes/{node}/qemu/{vmid}/status/current`. */
export function statusOf(pve: Pve, vm: Vm): ApiObject {
  return {
    ...listEntryOf(pve, vm, true),
    ha: haOf(pve, vm.vmid),
    ...displayOf(vm),
    ...(hasAgentChannel(vm.config) && { agent: 1 }),
  }
}
