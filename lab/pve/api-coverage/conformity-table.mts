/** The part of the document that compares the lab with recorded answers. */

import { type Conformity, type KnownDeviation, knownSteps } from './conformity.mts'

function percent(part: number, whole: number): string {
  return `${(Math.floor((part / whole) * 1000) / 10).toFixed(1)} %`
}

function countRow(name: string, answers: number, differ: number): string {
  return `| ${name} | ${answers} | ${answers - differ} | ${percent(answers - differ, answers)} |`
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

function reasonRow({ reason, steps }: KnownDeviation): string {
  const rows = Object.entries(steps).map(([name, numbers]) => `${name} ${numbers.join(', ')}`)
  return `| ${sum(Object.values(steps).map(each => each.length))} | ${reason} | ${rows.join('; ')} |`
}

/** Writes numbers and reasons in Markdown. */
export function conformitySection(conformity: Conformity): string[] {
  const names = Object.keys(conformity.answers)
  const counts = names.map(name => [conformity.answers[name]!, knownSteps(conformity, name).length] as const)
  return [
    "## Answers beside Proxmox's own",
    '',
    'The conformance tests replay [recorded requests](../lab/test/conformance/README.md) and compare status, texts, shape,',
    'values and the end of tasks with what Proxmox answered. A test fails if another answer differs, and also if one of',
    'those below no longer does.',
    '',
    '| sequence | answers | equal | |',
    '|---|---|---|---|',
    ...names.map((name, index) => countRow(name, ...counts[index]!)),
    countRow('**all**', sum(counts.map(([all]) => all)), sum(counts.map(([, differ]) => differ))),
    '',
    '| differ | why | steps |',
    '|---|---|---|',
    ...conformity.known.map(reasonRow),
  ]
}
