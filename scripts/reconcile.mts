import { printAnswer } from './lib/run/answer.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'reconcile'

await runMain({
  name,
  summary: 'Compares the registry, the folders of vms/, Proxmox and the chain, and prints every difference.',
  usage: '[--fix]',
  options: {
    fix: { type: 'boolean', help: 'repair what can be repaired in one way only; print the rest' },
  },
  positionals: 0,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/reconcile.mts --fix',
  async run(args, signal) {
    const { formatReconcile } = await import('./lib/reconcile/format.mts')
    const { reconcile } = await import('./lib/reconcile/reconcile.mts')
    const { withVms } = await import('./lib/vm/open.mts')
    const found = await withVms(name, signal, context => reconcile(context, args.flag('fix')))
    const unfixed = signal.aborted ? exitCodes.interrupted : exitCodes.failed
    return printAnswer(args, {
      document: found.findings,
      text: formatReconcile(found),
      exitCode: found.findings.every(({ fixed }) => fixed) ? exitCodes.done : unfixed,
    })
  },
})
