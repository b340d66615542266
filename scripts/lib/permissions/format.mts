import { counted } from '../run/counted.mts'
import { byPath, type PermissionReport } from './compare.mts'
import type { Holders } from './holders.mts'
import type { Grant } from './needs.mts'
import type { PermissionVerdict } from './verdict.mts'

/** One line per missing privilege: `  /vms/9000: VM.Audit (find the base VM)`. */
export function missingLines({ missing }: Pick<PermissionReport, 'missing'>): string[] {
  const purposes = new Map(missing.flatMap(({ need, add }) => add.map(grant => [key(grant), need.purpose])))
  return [...byPath(missing.flatMap(({ add }) => add))].flatMap(([path, privileges]) =>
    privileges.map(privilege => `  ${path}: ${privilege} (${purposes.get(key({ path, privilege }))})`),
  )
}

function key({ path, privilege }: Grant): string {
  return `${path} ${privilege}`
}

/** More lines than these are a script, which only `check-permissions` prints. */
const FEW_LINES = 8

/**
 * Hint for missing privileges: the commands, or who prints them.
 * @param command `check-permissions` with the options for this work.
 */
export function remedyHint(pveum: string[], command = 'zx scripts/check-permissions.mts'): string {
  if (pveum.length <= FEW_LINES) return `as root on a node:\n  ${pveum.join('\n  ')}`
  const first = pveum.filter(line => line.startsWith('pveum user token modify'))
  const separation = first.map(
    line =>
      `the token has no privilege anywhere. If it has privilege separation, and its user has the role, this is enough, as root on a node:\n  ${line}\nif not: `,
  )
  return `${separation.join('')}\`${command}\` prints a script for root on a node, which adds them and takes nothing away`
}

/** Text of all verdicts: granted, missing and optional privileges per path, then the commands, once. */
export function formatVerdicts(works: { work: string; verdict: PermissionVerdict }[]): string {
  const sections = works.map(({ work, verdict }) => formatVerdict(verdict, work))
  const remedies = [...new Set(works.map(({ verdict }) => verdict.pveum.join('\n  ')))].filter(Boolean)
  return [...sections, ...remedies.map(lines => `as root on a node:\n  ${lines}`)].join('\n\n')
}

function formatVerdict({ report, holders }: PermissionVerdict, work: string): string {
  const has = byPath(report.granted.flatMap(({ by }) => by))
  const lacks = byPath(report.missing.flatMap(({ add }) => add))
  const optional = byPath(report.optional.flatMap(({ add }) => add))
  const paths = [...new Set([...has.keys(), ...lacks.keys(), ...optional.keys()])].sort()
  const lines = [`${report.identity} (Proxmox VE ${report.pveMajor}), for ${work}:`, '']
  for (const path of paths) {
    lines.push(path)
    for (const privilege of has.get(path) ?? []) lines.push(`  granted   ${privilege}`)
    for (const privilege of lacks.get(path) ?? []) lines.push(`  MISSING   ${privilege}`)
    for (const privilege of optional.get(path) ?? []) lines.push(`  optional  ${privilege}`)
  }
  for (const { need } of report.optional)
    lines.push('', `optional: ${need.purpose}: without it, ${need.without}`)
  return [...lines, '', conclusion(lacks, holders)].join('\n')
}

function conclusion(lacks: Map<string, string[]>, holders: Holders | undefined): string {
  const count = [...lacks.values()].flat().length
  if (count === 0) return 'nothing is missing'
  return `${counted(count, 'privilege')} ${count === 1 ? 'is' : 'are'} missing${whoLacks(holders)}`
}

function whoLacks(holders: Holders | undefined): string {
  if (holders?.token === undefined) return ''
  if (holders.hasNothing) return ': the token has no privilege anywhere'
  if (holders.userLacks === undefined) {
    return '; it takes Sys.Audit on /access to see whether the user or only its token lacks them'
  }
  return holders.userLacks
    ? `: the user ${holders.user} lacks it too`
    : `: the user ${holders.user} has it, its token does not`
}
