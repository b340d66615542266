import { messageOf } from '../run/errors.mts'
import { type CommandPlan, type CommandResult, runCommand } from '../run/exec.mts'
import type { Candidate } from './tool.mts'

const timeoutMs = 20_000

/** Asking for a version must neither phone home nor read the user's CLI configuration. */
const quietEnv = {
  CHECKPOINT_DISABLE: '1',
  SOPS_DISABLE_VERSION_CHECK: 'true',
  TF_CLI_CONFIG_FILE: undefined,
}

/** Runs the candidate with a time limit; one that cannot be started answers like one that failed. */
export async function probe(
  candidate: Pick<Candidate, 'file' | 'env'>,
  args: string[],
  input?: string,
): Promise<CommandResult> {
  const plan: CommandPlan = { file: candidate.file, args, env: { ...quietEnv, ...candidate.env }, input }
  try {
    return await runCommand(plan, { timeoutMs, graceMs: 1000 })
  } catch (error) {
    return { code: 126, stdout: '', stderr: messageOf(error), timedOut: false }
  }
}

/** What a failed program said last, for a sentence. */
export function lastLine(result: CommandResult): string {
  if (result.timedOut) return `no answer in ${timeoutMs / 1000} s`
  const lines = `${result.stdout}\n${result.stderr}`.split('\n').filter(line => line.trim() !== '')
  return lines.at(-1)?.trim() ?? `exit code ${result.code}, no output`
}
