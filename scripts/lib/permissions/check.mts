import type { ProxmoxClient } from '../proxmox/client.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { comparePermissions } from './compare.mts'
import { missingLines, remedyHint } from './format.mts'
import { getGranted, grantedFrom, loadPermissionTree, pathsOf } from './granted.mts'
import { findHolders, type Holders, unknownHolders } from './holders.mts'
import type { Need } from './needs.mts'
import { pveumLines } from './remedy.mts'
import type { PermissionVerdict } from './verdict.mts'

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
  return { report, holders, pveum: pveumLines([report], holders) }
}

/** Compares the needs with a saved answer, which does not show whether a user or its token lacks a privilege. */
export async function checkSavedPermissions(
  file: string,
  identity: string,
  pveMajor: number,
  needs: Need[],
): Promise<PermissionVerdict> {
  const tree = await loadPermissionTree(file)
  const report = comparePermissions(identity, pveMajor, needs, grantedFrom(tree, pathsOf(needs)))
  const unknown = unknownHolders(identity)
  const hasNothing = unknown.token !== undefined && Object.keys(tree).length === 0
  const holders: Holders = { ...unknown, hasNothing }
  return { report, holders, pveum: pveumLines([report], holders) }
}

/**
 * Gives all verdicts about one user and its token the same commands, with one role for all of them: commands of several
 * verdicts would each make the role with privileges of their own. Packer 1.6 logs in as the user, and the rest as the
 * token.
 */
export function withCommonRemedy<T extends { verdict: PermissionVerdict }>(works: T[]): T[] {
  return works.map(work => {
    if (work.verdict.pveum.length === 0) return work
    const user = userOf(work.verdict)
    const alike = works.filter(({ verdict }) => userOf(verdict) === user)
    return { ...work, verdict: { ...work.verdict, pveum: commonRemedy(alike.map(({ verdict }) => verdict)) } }
  })
}

function userOf({ report }: PermissionVerdict): string {
  return report.identity.split('!')[0]!
}

function commonRemedy(verdicts: PermissionVerdict[]): string[] {
  const found = verdicts.flatMap(({ holders }) => holders ?? [])
  const lacking = found.map(({ userLacks }) => userLacks)
  const userLacks = lacking.includes(true) ? true : lacking.includes(undefined) ? undefined : false
  return pveumLines(
    verdicts.map(({ report }) => report),
    { ...(found.find(({ token }) => token !== undefined) ?? found[0]!), userLacks },
  )
}

/** @throws ProxmintError (denied) With the missing privileges and the commands that add them. */
export function requireGranted({ report, pveum }: PermissionVerdict, work: string): void {
  if (report.missing.length === 0) return
  throw new ProxmintError(
    `${report.identity} lacks privileges for \`${work}\`:\n${missingLines(report).join('\n')}`,
    {
      hint: remedyHint(pveum, checkCommand(work)),
      exitCode: exitCodes.denied,
    },
  )
}

/** Command that checks this work: an installation from a medium is checked only if it is asked for. */
function checkCommand(work: string): string {
  const [, family] = /^(?:build|test) (\S+)/.exec(work) ?? []
  return `zx scripts/check-permissions.mts${family === undefined ? '' : ` --template ${family}`}`
}
