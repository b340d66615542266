import { LAB_SUMMARY, LAB_VERBS } from '../lab/options.mts'
import { exitCodes, ProxmintError } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

await runMain({
  name: 'lab',
  summary: LAB_SUMMARY,
  verbs: LAB_VERBS,
  uses: ['lab'],
  writes: ['.proxmint/lab/'],
  example: 'zx scripts/lab.mts exec -- zx scripts/build.mts debian',
  async run(args, signal) {
    const { runLabCommand } = await import('../lab/command.mts')
    return runLabCommand('zx scripts/lab.mts', args, signal).catch(explain)
  },
})

/** Rethrows the lab's own failures as those of every other command; the lab shares no code with them. */
async function explain(error: unknown): Promise<never> {
  const { LabError, LabUsageError } = await import('../lab/core/lab-error.mts')
  if (!(error instanceof LabError)) throw error
  const exitCode = error instanceof LabUsageError ? exitCodes.usage : exitCodes.failed
  const own = error.hint.replaceAll('pve-lab ', 'zx scripts/lab.mts ')
  const hint = own.startsWith('as root: apt-get') ? `zx scripts/setup.mts --for qemu, or ${own}` : own
  throw new ProxmintError(error.message, { hint, exitCode, cause: error })
}
