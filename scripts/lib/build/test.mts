import { type AcceptanceReport, acceptTemplate } from '../acceptance/accept-template.mts'
import { buildLoginOf } from '../acceptance/test-template.mts'
import { ProxmintError } from '../run/errors.mts'
import type { Connection } from '../site/connect.mts'
import type { TestResult } from '../templates/version.mts'
import type { BuiltCopy, PlacedJob } from './copy.mts'

/** The acceptance test of every copy of a version, and the packages of the first. */
export interface VersionTest {
  result: TestResult
  packages: string[]
}

/** @throws ProxmintError with every check that failed, and with why a copy could not be tested. */
export async function testCopy(
  connection: Connection,
  { job, name }: PlacedJob,
  { copy }: BuiltCopy,
  signal: AbortSignal,
): Promise<AcceptanceReport> {
  const buildLogin = buildLoginOf(job.template, job.variables)
  const target = { os: job.os, family: job.family, name, buildLogin, ...copy }
  const report = await acceptTemplate(connection, target, signal)
  if (!report.passed) throw testFailed(name, copy.vmid, report)
  return report
}

/** One result for all copies; where there are several, each check says which node's it was. */
export function joinReports(nodes: string[], reports: AcceptanceReport[]): VersionTest {
  const checks = reports.flatMap((report, index) =>
    report.checks.map(({ name, passed, detail }) => ({
      name: reports.length === 1 ? name : `${name} on ${nodes[index]}`,
      passed,
      detail,
    })),
  )
  const result = { passed: reports.every(report => report.passed), at: reports[0]!.at, checks }
  return { result, packages: reports[0]!.packages }
}

function testFailed(name: string, vmid: number, { checks }: AcceptanceReport): ProxmintError {
  const failed = checks.filter(check => !check.passed)
  const lines = failed.map(check => `  ${check.name}: ${check.detail}`)
  return new ProxmintError(
    `${name} (VM ${vmid}) failed ${failed.length} of ${checks.length} checks of its acceptance test:\n${lines.join('\n')}`,
    { hint: 'mend the template; the VM template is removed and no channel changed' },
  )
}
