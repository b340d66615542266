import type { ProxmoxClient } from '../proxmox/client.mts'
import { counted } from '../run/counted.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { byPath, comparePermissions, type PermissionReport } from './compare.mts'
import { getGranted, grantedFrom, loadPermissionTree, pathsOf } from './granted.mts'
import { findHolders, type Holders } from './holders.mts'
import type { Grant, Need } from './needs.mts'
import { pveumLines } from './remedy.mts'

export interface PermissionVerdict {
  report: PermissionReport
  holders: Holders | undefined
  /** Commands for root on a node. Empty if nothing is missing. */
  pveum: string[]
}

/** Compares the needs with the privileges that Proxmox has for the client's identity. */
export async function checkPermissions(
  client: ProxmoxClient,
  pveMajor: number,
  needs: Need[],
): Promise<PermissionVerdict> {
  const granted = await getGranted(client, pathsOf(needs))
  const report = comparePermissions(client.identity, pveMajor, needs, granted)
  const missing = report.missing.flatMap(({ add }) => add)
  if (missing.length === 0) return { report, holders: undefined, pveum: [] }
  const holders = await findHolders(client, missing)
  return { report, holders, pveum: pveumLines(missing, needs, holders) }
}

/** Compares the needs with a saved answer, which does not show whether a user or its token lacks a privilege. */
export async function checkSavedPermissions(
  file: string,
  identity: string,
  pveMajor: number,
  needs: Need[],
): Promise<PermissionVerdict> {
  const granted = grantedFrom(await loadPermissionTree(file), pathsOf(needs))
  const report = comparePermissions(identity, pveMajor, needs, granted)
  const missing = report.missing.flatMap(({ add }) => add)
  const [user = '', tokenId] = identity.split('!')
  const token = tokenId === undefined ? undefined : identity
  const holders: Holders = { user, token, userLacks: token === undefined ? true : undefined, acl: [] }
  return { report, holders, pveum: pveumLines(missing, needs, holders) }
}

/** @throws ProxmintError (denied) With the missing privileges and the commands that add them. */
export function requireGranted({ report, pveum }: PermissionVerdict, work: string): void {
  if (report.missing.length === 0) return
  throw new ProxmintError(
    `${report.identity} lacks privileges for \`${work}\`:\n${missingLines(report).join('\n')}`,
    {
      hint: `as root on a node:\n  ${pveum.join('\n  ')}`,
      exitCode: exitCodes.denied,
    },
  )
}

/** One line per missing privilege: `  /vms/9000: VM.Audit (find the base VM)`. */
export function missingLines({ missing }: PermissionReport): string[] {
  const purposes = new Map(missing.flatMap(({ need, add }) => add.map(grant => [key(grant), need.purpose])))
  return [...byPath(missing.flatMap(({ add }) => add))].flatMap(([path, privileges]) =>
    privileges.map(privilege => `  ${path}: ${privilege} (${purposes.get(key({ path, privilege }))})`),
  )
}

function key({ path, privilege }: Grant): string {
  return `${path} ${privilege}`
}

/** Text of a verdict: granted, missing and optional privileges per path, then the commands. */
export function formatVerdict({ report, holders, pveum }: PermissionVerdict, work: string): string {
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
  return [...lines, '', ...conclusion(report, holders, pveum)].join('\n')
}

function conclusion(report: PermissionReport, holders: Holders | undefined, pveum: string[]): string[] {
  if (pveum.length === 0) return ['nothing is missing']
  const count = [...byPath(report.missing.flatMap(({ add }) => add)).values()].flat().length
  return [
    `${counted(count, 'privilege')} ${count === 1 ? 'is' : 'are'} missing${whoLacks(holders)}`,
    'as root on a node:',
    ...pveum.map(line => `  ${line}`),
  ]
}

function whoLacks(holders: Holders | undefined): string {
  if (holders?.token === undefined) return ''
  if (holders.userLacks === undefined) {
    return '; it takes Sys.Audit on /access to see whether the user or only its token lacks them'
  }
  return holders.userLacks
    ? `: the user ${holders.user} lacks it too`
    : `: the user ${holders.user} has it, its token does not`
}
