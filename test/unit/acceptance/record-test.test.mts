import { expect, test } from 'vitest'
import { joinReports } from '../../../scripts/lib/acceptance/record-test.mts'
import { registerSecret } from '../../../scripts/lib/run/redact.mts'

test('what a guest said goes into the lockfile as one line, without secrets and control characters', () => {
  registerSecret('build-passw0rd')
  const detail = 'accounts: root\nok    forged  \u001b[1Aline build-passw0rd'
  const report = { passed: false, at: '2026-01-02T00:00:00.000Z', seconds: 1, packages: [] }
  const checks = [{ name: 'accounts', passed: false, detail }]
  expect(joinReports([{ node: 'pve', report: { ...report, checks } }])?.checks).toEqual([
    { name: 'accounts', passed: false, detail: 'accounts: root ok    forged  line ***' },
  ])
})
