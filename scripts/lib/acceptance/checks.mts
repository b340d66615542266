import type { Check, CheckResult } from './check.mts'
import type { Evidence } from './evidence.mts'
import { insideChecks } from './inside-checks.mts'
import { outsideChecks } from './outside-checks.mts'

/** All checks, in the order of the report. */
export const checks: Check[] = [...outsideChecks, ...insideChecks]

/** Runs every check that has evidence. */
export function judge(evidence: Evidence): CheckResult[] {
  return checks.flatMap(check => judgeOne(check, evidence))
}

function judgeOne({ name, why, judge: verdictOn }: Check, evidence: Evidence): CheckResult[] {
  const verdict = verdictOn(evidence)
  if (verdict === undefined) return []
  const { fault, fix, found } = verdict
  if (fault === undefined) return [{ name, passed: true, detail: found }]
  return [{ name, passed: false, detail: `${fault}. Why: ${why}. Fix: ${fix}` }]
}
