/** The parts of the texts of processor, memory and machine (PVE/QemuServer/{CPUConfig,CPUFlags,Machine,Memory}.pm). */

import { flag, integer, optional } from '../core/parameters.mts'
import type { Property, PropertyFormat, Verifier } from '../core/property.mts'

/** Names of models with their versions: `EPYC-v3` stands as `EPYC` with the suffix `-v3`. */
const MODELS: Record<string, readonly string[]> = {
  '486': [''],
  a64fx: [''],
  athlon: [''],
  Broadwell: ['', '-IBRS', '-noTSX', '-noTSX-IBRS'],
  'Cascadelake-Server': ['', '-noTSX', '-v2', '-v4', '-v5'],
  ClearwaterForest: [''],
  Conroe: [''],
  Cooperlake: ['', '-v2'],
  core2duo: [''],
  coreduo: [''],
  'cortex-': ['a35', 'a53', 'a55', 'a57', 'a710', 'a72', 'a76'],
  EPYC: ['', '-IBPB', '-v3', '-v4', '-v5'],
  'EPYC-Genoa': ['', '-v2'],
  'EPYC-Milan': ['', '-v2', '-v3'],
  'EPYC-Rome': ['', '-v2', '-v3', '-v4', '-v5'],
  'EPYC-Turin': [''],
  GraniteRapids: ['', '-v2', '-v3'],
  Haswell: ['', '-IBRS', '-noTSX', '-noTSX-IBRS'],
  host: [''],
  'Icelake-Client': ['', '-noTSX'],
  'Icelake-Server': ['', '-noTSX', '-v3', '-v4', '-v5', '-v6', '-v7'],
  IvyBridge: ['', '-IBRS'],
  KnightsMill: [''],
  kvm: ['32', '64'],
  max: [''],
  Nehalem: ['', '-IBRS'],
  'neoverse-': ['n1', 'n2', 'v1'],
  Opteron_: ['G1', 'G2', 'G3', 'G4', 'G5'],
  Penryn: [''],
  pentium: ['', '2', '3'],
  phenom: [''],
  qemu: ['32', '64'],
  SandyBridge: ['', '-IBRS'],
  SapphireRapids: ['', '-v2', '-v3', '-v4'],
  SierraForest: ['', '-v2', '-v3'],
  'Skylake-Client': ['', '-IBRS', '-noTSX-IBRS', '-v4'],
  'Skylake-Server': ['', '-IBRS', '-noTSX-IBRS', '-v4', '-v5'],
  Westmere: ['', '-IBRS'],
}

const CPU_MODELS = Object.entries(MODELS)
  .flatMap(([name, suffixes]) => suffixes.map(suffix => name + suffix))
  .sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))

/** Models that Proxmox builds from `qemu64` and flags. */
const BUILT_IN = ['x86-64-v2', 'x86-64-v2-AES', 'x86-64-v3', 'x86-64-v4']

const CPU_FLAGS = [
  ...['aes', 'amd-no-ssb', 'amd-ssbd', 'hv-evmcs', 'hv-tlbflush', 'ibpb', 'md-clear', 'nested-virt', 'pcid'],
  ...['pdpe1gb', 'spec-ctrl', 'ssbd', 'virt-ssbd'],
]

const anyFlags = /^[+-][a-zA-Z0-9\-_.]+(;[+-][a-zA-Z0-9\-_.]+)*$/

/** Checks what a VM may ask for. Custom models, which may have more, are not there in the lab. */
function verifyCpu({
  cputype,
  flags,
  'reported-model': reported,
}: Record<string, string>): string | undefined {
  if (!cputype || cputype === '0') return 'CPU is missing cputype'
  if (cputype.startsWith('custom-')) return `Custom cputype '${cputype.slice('custom-'.length)}' not found`
  if (!CPU_MODELS.includes(cputype) && !BUILT_IN.includes(cputype))
    return `Built-in cputype '${cputype}' is not defined (missing 'custom-' prefix?)`
  if (flags && !flags.split(';').every(each => CPU_FLAGS.includes(each.slice(1))))
    return `VM-specific CPU flags must be a subset of: ${CPU_FLAGS.join(', ')}`
  if (reported !== undefined) return "Property 'reported-model' not allowed in VM-specific CPU config."
  return undefined
}

const physicalBits: Verifier = value =>
  value === 'host' || (/^\d{1,2}$/.test(value) && Number(value) >= 8 && Number(value) <= 64)
    ? undefined
    : "value must be an integer between 8 and 64 or 'host'"

function range(minimum: number, maximum: number): Property {
  return optional({ ...integer, minimum, maximum })
}

const optionalFlag = optional(flag)

export const cpuFormat: PropertyFormat = {
  properties: {
    cputype: optional({ type: 'string', defaultKey: true }),
    'reported-model': optional({ type: 'string', enum: CPU_MODELS }),
    hidden: optionalFlag,
    'hv-vendor-id': optional({ type: 'string', pattern: /^[a-zA-Z0-9]{1,12}$/ }),
    flags: optional({ type: 'string', pattern: anyFlags }),
    'guest-phys-bits': range(32, 64),
    'phys-bits': optional({ type: 'string', format: physicalBits }),
    level: range(0, 4_294_967_295),
  },
  verify: verifyCpu,
}

export const sevFormat: PropertyFormat = {
  properties: {
    type: { type: 'string', enum: ['std', 'es', 'snp'], maxLength: 3, defaultKey: true },
    'no-debug': optionalFlag,
    'no-key-sharing': optionalFlag,
    'allow-smt': optionalFlag,
    'kernel-hashes': optionalFlag,
  },
}

export const tdxFormat: PropertyFormat = {
  properties: {
    type: { type: 'string', enum: ['tdx'], defaultKey: true },
    attestation: flag,
    'vsock-cid': optional({ ...integer, minimum: 2 }),
    'vsock-port': optional({ ...integer, minimum: 0 }),
  },
}

export const memoryFormat: PropertyFormat = {
  properties: { current: { ...integer, minimum: 16, defaultKey: true } },
}

const idRanges = /^\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*$/

export const numaFormat: PropertyFormat = {
  properties: {
    cpus: { type: 'string', pattern: idRanges },
    memory: optional({ type: 'number' }),
    hostnodes: optional({ type: 'string', pattern: idRanges }),
    policy: optional({ type: 'string', enum: ['preferred', 'bind', 'interleave'] }),
  },
}

const VERSION = /\d+(\.\d+)+(\+pve\d+)?(\.pxe)?/.source
const MACHINE = new RegExp(
  `^(pc|pc(-i440fx)?-${VERSION}|q35|pc-q35-${VERSION}|virt(?:-\\d+(\\.\\d+)+)?(\\+pve\\d+)?)$`,
)

export const machineFormat: PropertyFormat = {
  properties: {
    type: optional({ type: 'string', pattern: MACHINE, maxLength: 40, defaultKey: true }),
    viommu: optional({ type: 'string', enum: ['intel', 'virtio'] }),
    'aw-bits': optional({ type: 'number', minimum: 32, maximum: 64 }),
    'enable-s3': optionalFlag,
    'enable-s4': optionalFlag,
  },
}

function isIdRange(part: string): boolean {
  const [, from, to = from] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? []
  return from !== undefined && Number(to) >= Number(from)
}

/** Checks a list of processors of the host such as `0,4-7`. */
export const cpuSet: Verifier = value =>
  value === '' || value.split(',').every(isIdRange) ? undefined : 'unable to parse cpuset option'
