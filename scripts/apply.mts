import { printAnswer } from './lib/run/answer.mts'
import { runMain } from './lib/run/main.mts'

const name = 'apply'

await runMain({
  name,
  summary: 'Makes VMs that are only reserved, and applies what differs of those that are there.',
  usage: '[NAME]... [--plan-only] [--allow-replace NAME]',
  options: {
    'plan-only': { type: 'boolean', help: 'shows the plan and applies nothing' },
    'allow-replace': {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'this VM may be made anew: its disk is lost',
    },
    parallel: { type: 'integer', value: 'N', default: 2, help: 'how many VMs at the same time' },
  },
  positionals: 1000,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain', 'many'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/apply.mts web-1 --plan-only',
  async run(args, signal) {
    const options = {
      planOnly: args.flag('plan-only'),
      allowReplace: args.strings('allow-replace'),
      parallel: args.integer('parallel', { min: 1, max: 100 })!,
    }
    const { answerFor, applyVms } = await import('./lib/vm/life/apply-many.mts')
    const { withVms } = await import('./lib/vm/open.mts')
    const outcomes = await withVms(
      name,
      signal,
      context => applyVms(args.positionals, options, context),
      args.positionals,
    )
    return printAnswer(args, answerFor(outcomes))
  },
})
