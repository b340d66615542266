import type { Answer } from '../run/answer.mts'
import { counted } from '../run/counted.mts'
import type { Finding } from './finding.mts'
import { gatherFacts } from './gather.mts'
import { exitCodeOf, verdicts } from './verdicts.mts'

/** Looks at everything and says what is wrong with it, every fault at once. Changes nothing. */
export async function examine(): Promise<Answer> {
  const findings = verdicts(await gatherFacts())
  return { document: { findings }, text: formatFindings(findings), exitCode: exitCodeOf(findings) }
}

const marks: Record<Finding['level'], string> = { ok: 'ok', note: 'note', fault: 'FAULT', unknown: '?' }

/** A line per finding, with what is known and what to do below it. */
export function formatFindings(findings: Finding[]): string {
  const width = Math.max(...findings.map(({ area }) => area.length))
  const lines = findings.flatMap(({ area, level, what, facts = {}, fix }) => [
    `${marks[level].padEnd(5)}  ${area.padEnd(width)}  ${indented(what)}`,
    ...Object.entries(facts)
      .filter(([, value]) => value !== undefined)
      .map(([label, value]) => `         ${label}: ${value}`),
    ...(fix === undefined ? [] : [`         fix: ${indented(fix)}`]),
  ])
  return [...lines, '', conclusion(findings)].join('\n')
}

function indented(text: string): string {
  return text.replaceAll('\n', '\n           ')
}

function conclusion(findings: Finding[]): string {
  const count = (level: Finding['level'], word: string): string[] => {
    const { length } = findings.filter(one => one.level === level)
    return length === 0 ? [] : [counted(length, word)]
  }
  const counts = [...count('fault', 'fault'), ...count('note', 'note'), ...count('unknown', 'open question')]
  return counts.length === 0 ? 'all is well' : counts.join(', ')
}
