/** A documented mistake found in a template. */
export interface Violation {
  rule: string
  file: string
  line: number
  what: string
  why: string
  fix: string
}

/** What one rule finds. */
export type Found = Omit<Violation, 'rule'>[]
