/** How many recorded answers of Proxmox the lab gives, and why it does not give the others. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSequence } from '../../answers/sequence.mts'

const FOLDER = join(import.meta.dirname, '../../test/conformance')

/** Answers that differ for one reason: numbers of steps, from 1, by the sequence's name. */
export interface KnownDeviation {
  reason: string
  steps: Record<string, number[]>
}

export interface Conformity {
  /** Number of answers by the sequence's name. */
  answers: Record<string, number>
  known: KnownDeviation[]
}

/** Reads the sequences of the conformance tests and the deviations that those tests expect. */
export async function readConformity(): Promise<Conformity> {
  const files = (await readdir(FOLDER)).filter(name => name.endsWith('.jsonl')).sort()
  const counts = files.map(async (file): Promise<[string, number]> => {
    const steps = readSequence(await readFile(join(FOLDER, file), 'utf8'))
    return [file.replace('.jsonl', ''), steps.length]
  })
  const known = JSON.parse(await readFile(join(FOLDER, 'known.json'), 'utf8'))
  return { answers: Object.fromEntries(await Promise.all(counts)), known }
}

/** Returns the steps of a sequence that are known to differ, in order. */
export function knownSteps({ known }: Conformity, name: string): number[] {
  return known.flatMap(({ steps }) => steps[name] ?? []).sort((a, b) => a - b)
}
