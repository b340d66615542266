import { type Figure, ratioOf, rounded } from './figures.mts'

/** What a benchmark said when it was run the last time. */
export interface Result {
  /** ISO 8601. */
  at: string
  /** `2 cores, load 3.1`. */
  machine: string
  figures: Figure[]
  /** Of one that has no figures in this form: what it printed. */
  printed?: string[]
}

/** The document: one table of all figures, by benchmark. */
export function benchmarksPage(results: Record<string, Result>): string {
  const rows = Object.entries(results).flatMap(([name, result]) =>
    result.printed === undefined
      ? result.figures.map(figure => figureRow(name, result, figure))
      : result.printed.map(line => row(name, [line, '', '', '', '', ''], result)),
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

function figureRow(name: string, result: Result, figure: Figure): string {
  const { what, value, unit, beside = '', besideValue, goal = '' } = figure
  const compared = besideValue === undefined ? '' : `${rounded(besideValue)} ${unit}`
  return row(name, [what, `${rounded(value)} ${unit}`, beside, compared, ratioOf(figure), goal], result)
}

function row(name: string, cells: string[], { at, machine }: Result): string {
  return `| ${[`[${name}](../bench/${name}.mts)`, ...cells, `${at.slice(0, 10)}, ${machine}`].join(' | ')} |`
}
