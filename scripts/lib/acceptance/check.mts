import type { Evidence } from './evidence.mts'
import type { Inspection } from './inspection.mts'

export interface CheckResult {
  name: string
  passed: boolean
  /** Finding; for a failed check also why it matters and how to fix it. */
  detail: string
}

interface Verdict {
  /** Undefined: passed. */
  fault: string | undefined
  /** Advice for a fault. */
  fix: string
  /** Finding of a passed check. */
  found: string
}

export interface Check {
  name: string
  /** Requirement, for the documentation. */
  says: string
  /** Reason of the requirement. */
  why: string
  /** @returns Undefined if there is no evidence. */
  judge(evidence: Evidence): Verdict | undefined
}

/** Joins faults; undefined if there are none. */
export function listed(faults: string[]): string | undefined {
  return faults.length === 0 ? undefined : faults.join(', ')
}

/** Wraps a verdict that needs the inspections of both clones. */
export function inside(verdict: (both: [Inspection, Inspection]) => Verdict): Check['judge'] {
  return ({ clones: [first, second] }) =>
    first.inside === undefined || second.inside === undefined
      ? undefined
      : verdict([first.inside, second.inside])
}
