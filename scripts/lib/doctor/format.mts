import { counted } from '../run/counted.mts'
import type { Diagnosis } from './diagnosis.mts'

const MARKS: Record<Diagnosis['level'], string> = { ok: 'ok', note: 'note', fault: 'FAULT', unknown: '?' }

/** Formats a line per diagnosis, with facts and remedy below it, and a conclusion. */
export function formatDiagnoses(diagnoses: Diagnosis[]): string {
  const width = Math.max(...diagnoses.map(({ area }) => area.length))
  const lines = diagnoses.flatMap(({ area, level, what, facts = {}, fix }) => [
    `${MARKS[level].padEnd(5)}  ${area.padEnd(width)}  ${indented(what)}`,
    ...Object.entries(facts)
      .filter(([, value]) => value !== undefined)
      .map(([label, value]) => `         ${label}: ${value}`),
    ...(fix === undefined ? [] : [`         fix: ${indented(fix)}`]),
  ])
  return [...lines, '', conclusion(diagnoses)].join('\n')
}

function indented(text: string): string {
  return text.replaceAll('\n', '\n           ')
}

function conclusion(diagnoses: Diagnosis[]): string {
  const count = (level: Diagnosis['level'], word: string): string[] => {
    const { length } = diagnoses.filter(one => one.level === level)
    return length === 0 ? [] : [counted(length, word)]
  }
  const counts = [...count('fault', 'fault'), ...count('note', 'note'), ...count('unknown', 'open question')]
  return counts.length === 0 ? 'all is well' : counts.join(', ')
}
