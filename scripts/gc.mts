import { printAnswer } from './lib/run/answer.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'gc'

await runMain({
  name,
  summary:
    'Suspends expired VMs, destroys those suspended for longer than the grace period, and deletes root disks from before a rebuild.',
  usage: '[--execute] [--grace-days N]',
  options: {
    execute: { type: 'boolean', help: 'do it; otherwise only print what is due, and what will be in 7 days' },
    'grace-days': { type: 'integer', value: 'N', help: 'default: grace_days of config/db.yaml' },
  },
  positionals: 0,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain', 'many'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/gc.mts --execute',
  async run(args, signal) {
    const graceDays = args.integer('grace-days', { min: 0, max: 36_500 })
    const execute = args.flag('execute')
    const { collectGarbage, comingFor, formatGc, gcExitCode, gcOptions } = await import(
      './lib/vm/life/gc.mts'
    )
    const { withVms } = await import('./lib/vm/open.mts')
    const { outcomes, coming } = await withVms(name, signal, async context => {
      const options = await gcOptions(context, execute, graceDays)
      const outcomes = await collectGarbage(options, context)
      return { outcomes, coming: execute ? [] : await comingFor(options, context) }
    })
    return printAnswer(args, {
      document: outcomes,
      text: formatGc(outcomes, execute, coming),
      exitCode: execute ? gcExitCode(outcomes, signal) : exitCodes.done,
    })
  },
})
