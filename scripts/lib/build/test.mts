import { type AcceptanceReport, acceptTemplate } from '../acceptance/accept-template.mts'
import { buildLoginOf } from '../acceptance/test-template.mts'
import { poolOfTemplate } from '../packer/build-target.mts'
import { ProxmintError } from '../run/errors.mts'
import type { Build, BuiltCopy } from './records.mts'

/** @throws ProxmintError with every check that failed, or with the reason why the copy could not be tested. */
export async function testCopy(build: Build, { copy }: BuiltCopy): Promise<AcceptanceReport> {
  const { connection, os, name, template, family, variables, signal } = build
  const pool = poolOfTemplate(template, { variables })
  const target = { os, family, name, pool, buildLogin: buildLoginOf(template, variables), ...copy }
  const report = await acceptTemplate(connection, target, signal)
  if (!report.passed) throw testFailed(name, copy.vmid, report)
  return report
}

function testFailed(name: string, vmid: number, { checks }: AcceptanceReport): ProxmintError {
  const failed = checks.filter(check => !check.passed)
  const lines = failed.map(check => `  ${check.name}: ${check.detail}`)
  return new ProxmintError(
    `${name} (VM ${vmid}) failed ${failed.length} of ${checks.length} checks of its acceptance test:\n${lines.join('\n')}`,
    { hint: 'correct the template; the VM template is removed and no channel changed' },
  )
}
