import { messageOf } from '../run/errors.mts'
import { type CommandPlan, type CommandResult, runCommand } from '../run/exec.mts'
import type { Candidate } from './tool.mts'

const TIMEOUT_MS = 20_000

/** Disables version checks over the network and the user's CLI configuration. */
const QUIET_ENV = {
  CHECKPOINT_DISABLE: '1',
  SOPS_DISABLE_VERSION_CHECK: 'true',
  TF_CLI_CONFIG_FILE: undefined,
  TF_LOG: undefined,
  PACKER_LOG: undefined,
}

/** Runs the candidate for at most 20 s. If it cannot be started, the result has code 126 and the reason as stderr. */
export async function probe(
  candidate: Pick<Candidate, 'file' | 'env'>,
  args: string[],
  input?: string,
): Promise<CommandResult> {
  const plan: CommandPlan = { file: candidate.file, args, env: { ...QUIET_ENV, ...candidate.env }, input }
  try {
    return await runCommand(plan, { timeoutMs: TIMEOUT_MS, graceMs: 1000 })
  } catch (error) {
    return { code: 126, stdout: '', stderr: messageOf(error), timedOut: false }
  }
}

/** Last line that a failed program printed, as a part of a sentence. */
export function lastLine(result: CommandResult): string {
  if (result.timedOut) return `no answer in ${TIMEOUT_MS / 1000} s`
  const lines = `${result.stdout}\n${result.stderr}`.split('\n').filter(line => line.trim() !== '')
  return lines.at(-1)?.trim() ?? `exit code ${result.code}, no output`
}
