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

/** One violation at a place. */
export function violation(
  { file, line }: { file: string; line: number },
  what: string,
  why: string,
  fix: string,
): Found {
  return [{ file, line, what, why, fix }]
}
