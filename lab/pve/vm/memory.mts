/** Memory as modules that a running machine takes and gives back (PVE/QemuServer/Memory.pm). */

import { failure } from '../core/errors.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { VmConfig } from '../core/state.mts'
import { cpuFormat, memoryFormat } from './cpu-formats.mts'
import { hasFeature } from './hotplug.mts'

/** MiB that a machine with modules has on its board. */
const STATIC_MIB = 1024
const DEFAULT_MIB = 512

function mibOf(value: string | undefined): number {
  if (value === undefined) return DEFAULT_MIB
  return Number(parsePropertyString(memoryFormat, value)['current'] ?? DEFAULT_MIB)
}

function staticMib(config: VmConfig): number {
  return STATIC_MIB * (config['hugepages'] === '1024' ? Number(config['sockets'] ?? 1) : 1)
}

/** Bits of a physical address, where the CPU names none: those of a host with more than 40 are cut. */
const PHYSICAL_BITS = 40
/** A host of today has enough bits for this. */
const MOST_MIB = 4 * 1024 * 1024

function mostMib(config: VmConfig): number {
  const { cputype, 'phys-bits': named } = parsePropertyString(cpuFormat, config['cpu'] ?? 'kvm64')
  if (named === 'host' || (named === undefined && /^(host|max)$/.test(cputype ?? ''))) return MOST_MIB
  const bits = named === undefined ? PHYSICAL_BITS : Number(named)
  return Math.min(MOST_MIB, 2 ** ((bits & ~1) - 21))
}

/** Sizes of the modules, in the order of their slots: 32 of each size, each size twice the one before. */
function* modulesOf(config: VmConfig): Generator<number> {
  for (let size = config['hugepages'] === '1024' ? 1024 : 512, group = 0; group < 8; size *= 2, group++)
    for (let slot = 0; slot < 32; slot++) yield size
}

/** Amounts that the machine can have, from the board's on. */
function* steps(config: VmConfig): Generator<number> {
  let mib = staticMib(config)
  yield mib
  for (const module of modulesOf(config)) {
    mib += module
    yield mib
  }
}

/**
 * Plugs modules until the machine has at least the wanted memory, or takes away the last ones while it has more. The guest
 * gives back what is asked for.
 * @returns the new option, or why the machine cannot have it.
 */
export function plugMemory(
  config: VmConfig,
  value: string | undefined,
): { value: string } | { fault: string } {
  const [before, wanted] = [mibOf(config['memory']), mibOf(value)]
  if (before === wanted && value !== undefined) return { value }
  const least = staticMib(config)
  if (wanted < least)
    return {
      fault: `memory can't be lower than ${least} MB at /usr/share/perl5/PVE/QemuServer/Memory.pm line 219.\n`,
    }
  const most = mostMib(config)
  if (wanted > most) return { fault: `you cannot add more memory than max mem ${most} MB!\n` }
  const amounts = [...steps(config)]
  const mib =
    wanted > before
      ? amounts.find(amount => amount >= wanted)!
      : amounts.findLast(amount => amount <= wanted)!
  return { value: String(mib) }
}

/** Checks before a start that the memory can be in modules, where it is to be. @throws {ApiError} */
export function requireModules(config: VmConfig): void {
  if (!hasFeature(config, 'memory')) return
  if (config['numa'] !== '1') throw failure('NUMA needs to be enabled for memory hotplug')
  const [mib, least, most] = [mibOf(config['memory']), staticMib(config), mostMib(config)]
  if (mib > most) throw failure(`Total memory is bigger than ${most}MB`)
  if (Object.keys(config).some(key => /^numa\d+$/.test(key)))
    throw failure('cannot enable memory hotplugging with custom NUMA topology')
  if (mib < least) throw failure(`minimum memory must be ${least}MB`)
}
