/** What the acceptance test finds wrong with a VM template, in words. */
import { expect } from 'vitest'
import type { AcceptanceReport } from '../../scripts/lib/acceptance/accept-template.mts'
import type { Workspace } from './workspace.mts'

/** `zx scripts/templates.mts test VMID`. @throws when there was no report. */
export async function testTemplate(
  workspace: Workspace,
  vmid: number,
  env?: NodeJS.ProcessEnv,
): Promise<AcceptanceReport> {
  const { code, stdout, stderr } = await workspace.zx('templates', ['test', String(vmid), '--json'], env)
  expect(stderr, 'templates test').not.toContain('error:')
  const report = JSON.parse(stdout) as AcceptanceReport
  expect(code).toBe(report.passed ? 0 : 1)
  return report
}

/** `CHECK: what was found`, of each check that failed. */
export async function acceptanceFaults(
  workspace: Workspace,
  vmid: number,
  env?: NodeJS.ProcessEnv,
): Promise<string[]> {
  const { checks } = await testTemplate(workspace, vmid, env)
  return checks
    .filter(check => !check.passed)
    .map(({ name, detail }) => `${name}: ${detail.split('. Why: ')[0]}`)
}
