/** Checks of the machine and its display beyond their forms (PVE/QemuServer/Machine.pm). */

import { failure } from '../core/errors.mts'
import { parsePropertyString, printPropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import { machineFormat } from './cpu-formats.mts'
import { vgaFormat } from './device-formats.mts'

/** Versions of QEMU. Clients only show them. */
export const QEMU_VERSION = { 8: '9.2.0', 9: '10.1.2' } as const

export function isWindows(config: VmConfig): boolean {
  return /^(wxp|w2k|w2k3|w2k8|wvista|win\d+)$/.test(config['ostype'] ?? '')
}

function viommuFault({ type, viommu, 'aw-bits': bits }: Record<string, string>): string | undefined {
  if (viommu === undefined && bits !== undefined) return 'cannot set aw-bits if no vIOMMU is configured'
  if (viommu !== 'intel') return undefined
  if (!type?.includes('q35')) return 'to use Intel vIOMMU please set the machine type to q35'
  return bits === undefined || ['39', '48'].includes(bits)
    ? undefined
    : 'Intel vIOMMU supports only 39 or 48 bits as address width'
}

/** @throws {ApiError} for address translation that the machine cannot have. */
export function requireMachine(machine: string): void {
  const fault = viommuFault(parsePropertyString(machineFormat, machine))
  if (fault !== undefined) throw failure(fault)
}

/** Returns the machine's newest version for Windows, which does not like to change it; otherwise the type itself. */
function pinned(pve: Pve, config: VmConfig, type: string | undefined): string | undefined {
  if (!isWindows(config) || !['pc', 'q35', 'virt'].includes(type ?? 'pc')) return type
  const version = QEMU_VERSION[pve.version].split('.').slice(0, 2).join('.')
  return { pc: `pc-i440fx-${version}`, q35: `pc-q35-${version}`, virt: `virt-${version}` }[type ?? 'pc']
}

/** Returns the `machine` of a new VM or one with a new `ostype`; undefined for the default. */
export function machineOf(pve: Pve, config: VmConfig): string | undefined {
  const parts = parsePropertyString(machineFormat, config['machine'] ?? '')
  const type = pinned(pve, config, parts['type'])
  const machine = printPropertyString(machineFormat, { ...parts, ...(type !== undefined && { type }) })
  requireMachine(machine)
  return machine || undefined
}

/** @throws {ApiError} for a clipboard that the display cannot have. */
export function requireClipboard(vga: string | undefined): void {
  const { type, clipboard } = parsePropertyString(vgaFormat, vga ?? '')
  if (clipboard === 'vnc' && type !== undefined && !/^(std|cirrus|vmware|virtio|qxl)/.test(type))
    throw failure(`vga type ${type} is not compatible with VNC clipboard`)
}
