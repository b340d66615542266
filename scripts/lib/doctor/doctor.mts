import type { Answer } from '../run/answer.mts'
import { exitCodes } from '../run/errors.mts'
import { diagnosesOf } from './check.mts'
import { CHECKS } from './checks.mts'
import type { Diagnosis } from './diagnosis.mts'
import { formatDiagnoses } from './format.mts'
import { startSharedLooks } from './shared.mts'

/** Does all checks at the same time and reports every fault at once. Changes nothing. */
export async function diagnose(): Promise<Answer> {
  const shared = startSharedLooks()
  const diagnoses = await Promise.all(CHECKS.map(async check => diagnosesOf(check, await check.look(shared))))
  const findings = diagnoses.flat()
  return { document: { findings }, text: formatDiagnoses(findings), exitCode: doctorExitCode(findings) }
}

/** Chooses 4 if all faults are of credentials and privileges, 1 for any other fault, 0 without faults. */
export function doctorExitCode(diagnoses: Diagnosis[]): number {
  const faults = diagnoses.filter(({ level }) => level === 'fault')
  if (faults.length === 0) return exitCodes.done
  return faults.every(({ denied }) => denied === true) ? exitCodes.denied : exitCodes.failed
}
