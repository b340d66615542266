/** Documented mistake in a template. */
export interface Violation {
  rule: string
  file: string
  line: number
  what: string
  why: string
  fix: string
}

/** Violations of one rule. */
export type Found = Omit<Violation, 'rule'>[]
