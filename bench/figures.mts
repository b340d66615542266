/** One figure of a benchmark, and what it is compared with, measured in the same run; or else its goal alone. */
export interface Figure {
  what: string
  value: number
  /** `s`, `ms`, `/s`. */
  unit: string
  beside?: string
  besideValue?: number
  /** What the ratio, or the value, is meant to be where somebody said so: `at most 1.3`. */
  goal?: string
}

/** One line per figure; for bench/all.mts, which sets PROXMINT_BENCH_JSON, one JSON document. */
export function printFigures(figures: Figure[]): void {
  const lines =
    process.env['PROXMINT_BENCH_JSON'] !== undefined ? [JSON.stringify(figures)] : figures.map(lineOf)
  for (const line of lines) console.log(line)
}

function lineOf(figure: Figure): string {
  const { what, value, unit, beside, besideValue, goal } = figure
  const compared =
    besideValue === undefined ? '' : `; ${beside}: ${rounded(besideValue)} ${unit}; ratio ${ratioOf(figure)}`
  const aim = goal === undefined ? '' : ` (goal: ${goal})`
  return `${what}: ${rounded(value)} ${unit}${compared}${aim}`
}

/** Empty where there is nothing to compare with. */
export function ratioOf({ value, besideValue }: Figure): string {
  return besideValue === undefined ? '' : rounded(value / besideValue)
}

/** Three digits that count. */
export function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}
