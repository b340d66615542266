/** One figure of a benchmark, and what it is compared with, measured in the same run. */
export interface Figure {
  what: string
  value: number
  /** `s`, `ms`, `/s`. */
  unit: string
  beside: string
  besideValue: number
  /** What the ratio is meant to be, where somebody said so: `at most 1.3`. */
  goal?: string
}

/** One line per figure; with `--json` on the command line one JSON document, for bench/all.mts. */
export function printFigures(figures: Figure[]): void {
  const lines = process.argv.includes('--json') ? [JSON.stringify(figures)] : figures.map(lineOf)
  for (const line of lines) console.log(line)
}

function lineOf({ what, value, unit, beside, besideValue, goal }: Figure): string {
  const aim = goal === undefined ? '' : ` (goal: ${goal})`
  return `${what}: ${rounded(value)} ${unit}; ${beside}: ${rounded(besideValue)} ${unit}; ratio ${rounded(value / besideValue)}${aim}`
}

/** Three digits that count. */
export function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}
