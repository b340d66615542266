import { formatTable } from '../run/table.mts'
import { requireFamily } from '../site/checked-template.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { type TerraformTemplate, terraformVariables } from '../templates/terraform-variables.mts'
import {
  type Channel,
  channelOf,
  type Families,
  type TemplateVersion,
  testWord,
  versionMark,
  versionsOf,
} from '../templates/version.mts'

/** One version as a table shows it. */
interface ListedVersion extends TemplateVersion {
  os: string
  /** A channel, `revoked` or `retired`. */
  mark: string
  /** Which it stays in when it is revoked; null: in none. */
  channel: Channel | null
}

/** Every version the lockfile holds; Proxmox is not asked. @param os of one family alone.
 * @throws ProxmintError (usage) for a family that nobody knows. */
export async function listVersions(os: string | undefined): Promise<ListedVersion[]> {
  const families = await readLockfile(lockfilePath())
  if (os !== undefined) await requireFamily(os, families)
  return listed(families).filter(version => os === undefined || version.os === os)
}

/** What Terraform is given, as it is written beside the lockfile. */
export async function listForTerraform(): Promise<{ templates: Record<string, TerraformTemplate> }> {
  return terraformVariables(await readLockfile(lockfilePath()))
}

function listed(families: Families): ListedVersion[] {
  return Object.entries(families).flatMap(([os, family]) =>
    versionsOf(family).map(version => ({
      os,
      mark: versionMark(family, version),
      channel: channelOf(family, version.name) ?? null,
      ...version,
    })),
  )
}

/** A row per version. */
export function formatVersions(versions: ListedVersion[]): string {
  if (versions.length === 0) return 'no versions yet; zx scripts/build.mts OS makes one'
  const rows = versions.map(({ os, mark, channel, name, copies, builtAt, test, revoked }) => [
    os,
    channel === null || channel === mark ? mark : `${channel}, ${mark}`,
    name,
    copies.map(({ vmid, node }) => `${vmid} on ${node}`).join(', '),
    builtAt.slice(0, 16).replace('T', ' '),
    revoked?.reason ?? testWord(test),
  ])
  return formatTable(['family', 'channel', 'version', 'VM templates', 'built (UTC)', 'test'], rows)
}
