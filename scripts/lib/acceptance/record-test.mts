/** The result of `templates test` in the lockfile, so that a version which was built untested can be promoted. */
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { printableLine } from '../run/printable.mts'
import type { Connection } from '../site/connect.mts'
import { recordTest } from '../templates/channels.mts'
import { lockfilePath, readLockfile, updateLockfile } from '../templates/lockfile.mts'
import { writePackages } from '../templates/packages.mts'
import { type TemplateVersion, type TestResult, versionsOf } from '../templates/version.mts'
import type { AcceptanceReport } from './accept-template.mts'

/** Report of one VM template. */
export interface TestedCopy {
  vmid: number
  node: string
  report: AcceptanceReport
}

/** Joins the reports of all copies to one result; null without a test. Of several copies each check names its node. */
export function joinReports(tested: Omit<TestedCopy, 'vmid'>[]): TestResult | null {
  const [first] = tested
  if (first === undefined) return null
  const checks = tested.flatMap(({ node, report }) =>
    report.checks.map(({ name, passed, detail }) => ({
      name: tested.length === 1 ? name : `${name} on ${node}`,
      passed,
      // From the guest, and on its way into a file that Git keeps.
      detail: printableLine(detail),
    })),
  )
  return { passed: tested.every(({ report }) => report.passed), at: first.report.at, checks }
}

/**
 * Writes the result into the lockfile if the version was never tested, or its verdict is another one now.
 * @returns A sentence about what was recorded; undefined if the lockfile stays as it is.
 */
export async function recordTested(
  connection: Connection,
  tested: TestedCopy[],
): Promise<string | undefined> {
  const path = lockfilePath()
  const result = joinReports(tested)
  const version = await versionOf(connection, tested)
  if (result === null || version === undefined || version.test?.passed === result.passed) return undefined
  if (version.copies.length > tested.length)
    return `not recorded: ${version.name} has ${version.copies.length} copies; \`templates test\` with the family tests all`
  await writePackages(path, version.name, tested[0]!.report.packages)
  await updateLockfile(path, `test ${version.name}`, families => recordTest(families, version.name, result))
  return `recorded in ${path}: ${version.name} ${result.passed ? 'passed' : 'failed'} its acceptance test`
}

/** Finds the version of the tested VM templates, by VMID and build id. */
async function versionOf({ client }: Connection, tested: TestedCopy[]): Promise<TemplateVersion | undefined> {
  const [first] = tested
  if (first === undefined) return undefined
  const { description } = await getVmConfig(client, first)
  const versions = Object.values(await readLockfile(lockfilePath())).flatMap(versionsOf)
  return versions.find(({ copies }) =>
    copies.some(({ vmid, buildId }) => vmid === first.vmid && String(description ?? '').includes(buildId)),
  )
}
