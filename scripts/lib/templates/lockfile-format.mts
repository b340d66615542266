import type { Firmware } from '../config/firmware.mts'
import { schemaFaults } from '../config/schema-faults.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { channels, type Families, type FamilyVersions, type TemplateVersion, versionsOf } from './version.mts'

const FORMAT_VERSION = 1
const SCHEMA = new URL('../../../config/templates.lock.schema.json', import.meta.url)

/** Family in the file. A channel holds the name of a version, so a promotion changes few lines. */
interface LockedFamily {
  current: string | null
  previous: string | null
  candidate: string | null
  versions: Record<string, Omit<TemplateVersion, 'name'>>
}

/**
 * Parses the text of a lockfile.
 * @param where name of the file in errors.
 * @throws ProxmintError (invalid) if it is broken, was written by a newer proxmint, or a channel names a missing version.
 */
export async function parseLockfile(text: string, where: string): Promise<Families> {
  const document = parseJson(text, where)
  const found = (document as { version?: unknown } | null)?.version
  if (typeof found === 'number' && found > FORMAT_VERSION) {
    throw invalid(where, [`it has format ${found}; this proxmint knows ${FORMAT_VERSION}`], 'update proxmint')
  }
  const broken = (await schemaFaults(SCHEMA, document)).map(fault => fault.sentence)
  if (broken.length > 0) throw invalid(where, broken)
  const { families } = document as { families: Record<string, LockedFamily> }
  const dangling = Object.entries(families).flatMap(([os, family]) => danglingChannels(os, family))
  if (dangling.length > 0) throw invalid(where, dangling)
  return Object.fromEntries(Object.entries(families).map(([os, family]) => [os, unlocked(family)]))
}

/** Formats a lockfile. Equal versions give equal text, with one value a line. */
export function formatLockfile(families: Families): string {
  const locked = Object.entries(families)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([os, family]) => [os, lockedFamily(family)])
  return `${layOut({ version: FORMAT_VERSION, families: Object.fromEntries(locked) })}\n`
}

/** Formats JSON with a line per value and per element of a list, so that diffs stay short. */
function layOut(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const deeper = `${indent}  `
  if (Array.isArray(value)) {
    const items = value.map(item => `\n${deeper}${oneLine(item)}`)
    return items.length === 0 ? '[]' : `[${items.join(',')}\n${indent}]`
  }
  const entries = Object.entries(value).map(
    ([key, one]) => `\n${deeper}${JSON.stringify(key)}: ${layOut(one, deeper)}`,
  )
  return entries.length === 0 ? '{}' : `{${entries.join(',')}\n${indent}}`
}

function oneLine(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, one]) => `"${key}": ${oneLine(one)}`)
  return `{ ${entries.join(', ')} }`
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const conflict = /^(<{7}|={7}|>{7})/m.test(text)
    const fault = conflict ? 'Git left conflict markers in it' : `it is not JSON: ${(cause as Error).message}`
    throw invalid(where, [fault])
  }
}

function danglingChannels(os: string, family: LockedFamily): string[] {
  return channels.flatMap(channel => {
    const name = family[channel]
    return name === null || family.versions[name] !== undefined
      ? []
      : [`families.${os}.${channel} is ${name}, which is not among its versions`]
  })
}

function unlocked(family: LockedFamily): FamilyVersions {
  const version = (name: string): TemplateVersion => ({ name, ...family.versions[name]! })
  const channel = (name: string | null): TemplateVersion | null => (name === null ? null : version(name))
  const inChannel = new Set(channels.map(name => family[name]))
  return {
    current: channel(family.current),
    previous: channel(family.previous),
    candidate: channel(family.candidate),
    retired: Object.keys(family.versions)
      .filter(name => !inChannel.has(name))
      .map(version)
      .toSorted((a, b) => b.builtAt.localeCompare(a.builtAt)),
  }
}

function lockedFamily(family: FamilyVersions): LockedFamily {
  const versions = versionsOf(family).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return {
    current: family.current?.name ?? null,
    previous: family.previous?.name ?? null,
    candidate: family.candidate?.name ?? null,
    versions: Object.fromEntries(versions.map(version => [version.name, ordered(version)])),
  }
}

function ordered(version: TemplateVersion): Omit<TemplateVersion, 'name'> {
  const { digest, image, firmware, revision, inputs, tools, builtAt, buildSeconds, test, revoked } = version
  return {
    ...(revoked !== undefined && { revoked: { reason: revoked.reason, at: revoked.at } }),
    copies: version.copies.map(({ vmid, node, storage, buildId }) => ({ vmid, node, storage, buildId })),
    digest,
    image: { name: image.name, url: image.url, checksum: image.checksum },
    ...(firmware !== undefined && { firmware: orderedFirmware(firmware) }),
    revision,
    tools: { packer: tools.packer, plugin: tools.plugin },
    inputs: Object.fromEntries(Object.entries(inputs).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    builtAt,
    buildSeconds,
    test: test && {
      passed: test.passed,
      at: test.at,
      checks: test.checks.map(({ name, passed, detail }) => ({ name, passed, detail })),
    },
  }
}

function orderedFirmware({ kind, secureBoot, tpm }: Firmware): Firmware {
  return { kind, secureBoot, tpm }
}

function invalid(where: string, faults: string[], hint?: string): ProxmintError {
  return new ProxmintError(`${where} is invalid:\n${faults.map(fault => `  - ${fault}`).join('\n')}`, {
    hint:
      hint ??
      'nothing was changed; restore the last good version: `git log -p -- config/templates.lock.json`',
    exitCode: exitCodes.invalid,
  })
}
