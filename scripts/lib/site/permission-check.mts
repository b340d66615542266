import { byPath, comparePermissions, type PermissionReport } from '../permissions/compare.mts'
import { getGranted, grantedFrom, loadPermissionTree, pathsOf } from '../permissions/granted.mts'
import { findHolders, type Holders } from '../permissions/holders.mts'
import type { Grant, Need } from '../permissions/needs.mts'
import { pveumLines } from '../permissions/remedy.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { counted } from '../run/counted.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'

export interface PermissionVerdict {
  report: PermissionReport
  holders: Holders | undefined
  /** As root on a node. Empty when nothing is missing. */
  pveum: string[]
}

/** Compares what the work needs with the privileges of the client's identity. */
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

/** Compares with a saved answer, without asking Proxmox. Whether the user or its token lacks a privilege stays open. */
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

/** @throws ProxmintError (denied) with the missing privileges and the lines that add them. */
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

/** Formats each missing privilege as `  /vms/9000: VM.Audit (find the base VM)`. */
export function missingLines({ missing }: PermissionReport): string[] {
  const purposes = new Map(missing.flatMap(({ need, add }) => add.map(grant => [key(grant), need.purpose])))
  return [...byPath(missing.flatMap(({ add }) => add))].flatMap(([path, privileges]) =>
    privileges.map(privilege => `  ${path}: ${privilege} (${purposes.get(key({ path, privilege }))})`),
  )
}

function key({ path, privilege }: Grant): string {
  return `${path} ${privilege}`
}

/** Formats the verdict for a person: granted, missing and optional privileges per path, then the remedy. */
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
    return '; whether to the user or to its token alone is unknown (that takes Sys.Audit on /access)'
  }
  return holders.userLacks
    ? `: the user ${holders.user} lacks it too`
    : `: the user ${holders.user} has it, its token has not`
}
