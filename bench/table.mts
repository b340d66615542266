import { type Figure, rounded } from './figures.mts'

/** What a benchmark said when it was run the last time. */
export interface Result {
  /** ISO 8601. */
  at: string
  /** `2 cores, load 3.1`. */
  machine: string
  figures: Figure[]
}

/** The document: one table of all figures, by benchmark. */
export function benchmarksPage(results: Record<string, Result>): string {
  const rows = Object.entries(results).flatMap(([name, result]) =>
    result.figures.map(figure => row(name, result, figure)),
  )
  return [
    '# Benchmarks',
    '',
    'Every figure of the project beside what it is compared with, measured in the same run on the same machine. The',
    'ratio is the figure; the absolute values are those of one machine on one day, and of what else ran on it.',
    '',
    'Made by `make bench`, which runs every file of `bench/` and writes this page; `make bench ARGS=startup` runs one and',
    'keeps the other rows. What is measured, and how, stands at the beginning of each file. Values that are rates (/s) are',
    'better when they are higher, times when they are lower.',
    '',
    '| benchmark | figure | | beside | | ratio | goal | measured |',
    '|---|---|--:|---|--:|--:|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function row(name: string, { at, machine }: Result, figure: Figure): string {
  const { what, value, unit, beside, besideValue, goal = '' } = figure
  const cells = [
    `[${name}](../bench/${name}.mts)`,
    what,
    `${rounded(value)} ${unit}`,
    beside,
    `${rounded(besideValue)} ${unit}`,
    rounded(value / besideValue),
    goal,
    `${at.slice(0, 10)}, ${machine}`,
  ]
  return `| ${cells.join(' | ')} |`
}
