import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { examinePacker } from './packer.mts'
import { type Pin, pins } from './pins.mts'
import { lastLine, probe } from './probe.mts'
import type { Candidate, Usability } from './tool.mts'
import { isAtLeast, versionIn } from './versions.mts'

/** Runs the program. It is usable if it answers, is new enough and has its companion programs beside it. */
export async function examine(candidate: Candidate): Promise<Usability> {
  const answer = await probe(candidate, ['--version'])
  const version = versionIn(`${answer.stdout}\n${answer.stderr}`)
  if (answer.code !== 0 || version === undefined) {
    return { usable: false, reason: `does not print its version (${lastLine(answer)})` }
  }
  if (candidate.tool === 'packer') return await examinePacker(candidate, version)
  const pin: Pin = pins.tools[candidate.tool]
  const minimum = pin.minimum[candidate.program]!
  if (!isAtLeast(version, minimum)) return { usable: false, version, reason: `older than ${minimum}` }
  const missing = await missingBeside(candidate, pin)
  return missing === undefined
    ? { usable: true, version }
    : { usable: false, version, reason: `${missing} is not beside it` }
}

async function missingBeside(candidate: Candidate, pin: Pin): Promise<string | undefined> {
  for (const companion of pin.programs.slice(1)) {
    const present = await access(join(dirname(candidate.file), companion)).then(
      () => true,
      () => false,
    )
    if (!present) return companion
  }
  return undefined
}
