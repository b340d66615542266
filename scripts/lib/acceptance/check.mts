import type { Evidence } from './evidence.mts'
import type { Inspection } from './inspection.mts'

export interface CheckResult {
  name: string
  passed: boolean
  /** What was found; of a failure also why it matters and what to do. */
  detail: string
}

interface Verdict {
  /** Undefined: nothing was wrong. */
  fault: string | undefined
  /** What to do about it. */
  fix: string
  /** What was found where nothing was wrong. */
  found: string
}

export interface Check {
  name: string
  /** What must be so. */
  says: string
  /** Why it matters. */
  why: string
  /** Undefined where there is nothing to judge it by. */
  judge(evidence: Evidence): Verdict | undefined
}

export function listed(faults: string[]): string | undefined {
  return faults.length === 0 ? undefined : faults.join(', ')
}

/** For checks that take both clones from inside. */
export function inside(verdict: (both: [Inspection, Inspection]) => Verdict): Check['judge'] {
  return ({ clones: [first, second] }) =>
    first.inside === undefined || second.inside === undefined
      ? undefined
      : verdict([first.inside, second.inside])
}
