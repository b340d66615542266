import { ProxmintError } from '../../scripts/lib/run/errors.mts'

/** What a person reads of a failure, and the exit code a script sees. */
export interface Failure {
  message: string
  hint: string | undefined
  exitCode: number
  facts: Record<string, string | number | undefined>
}

/** The failure of `work`. @throws where it succeeded, or failed in a way nobody foresaw. */
export async function failureOf(work: () => unknown): Promise<Failure> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof ProxmintError)) throw error
    const { message, hint, exitCode, facts } = error
    return { message, hint, exitCode, facts }
  }
  throw new Error('it did not fail')
}
