import { firmwareWords } from '../config/firmware.mts'
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

/** Row of the table of versions. */
interface ListedVersion extends TemplateVersion {
  os: string
  /** A channel, `revoked` or `retired`. */
  mark: string
  /** Channel, also of a revoked version; null if it is in none. */
  channel: Channel | null
}

/**
 * Lists the versions in the lockfile, without a login.
 * @param os Only this family.
 * @throws ProxmintError (usage) For an unknown family.
 */
export async function listVersions(os: string | undefined): Promise<ListedVersion[]> {
  const families = await readLockfile(lockfilePath())
  if (os !== undefined) await requireFamily(os, families)
  return listed(families).filter(version => os === undefined || version.os === os)
}

/** Variables for Terraform, as in terraform/templates.auto.tfvars.json. */
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

/** Text of the table. */
export function formatVersions(versions: ListedVersion[]): string {
  if (versions.length === 0) return 'no versions yet; zx scripts/build.mts OS makes one'
  const rows = versions.map(({ os, mark, channel, name, copies, firmware, builtAt, test, revoked }) => [
    os,
    channel === null || channel === mark ? mark : `${channel}, ${mark}`,
    name,
    copies.map(({ vmid, node }) => `${vmid} on ${node}`).join(', '),
    firmware === undefined ? '' : firmwareWords(firmware),
    builtAt.slice(0, 16).replace('T', ' '),
    revoked?.reason ?? testWord(test),
  ])
  return formatTable(
    ['family', 'channel', 'version', 'VM templates', 'firmware', 'built (UTC)', 'test'],
    rows,
  )
}
