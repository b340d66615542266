import { printAnswer } from './lib/run/answer.mts'
import { runMain } from './lib/run/main.mts'
import { agreedTo, allowOption } from './lib/vm/allow.mts'

const name = 'apply'

await runMain({
  name,
  summary: 'Creates reserved VMs, and changes existing VMs back to what proxmint has recorded.',
  usage: '[NAME]... [--plan-only] [--allow COST]...',
  options: {
    'plan-only': { type: 'boolean', help: 'print the plan, apply nothing' },
    allow: allowOption('agree to a cost: reboot, remove (a device), data-loss (a disk; give each NAME)'),
    'allow-replace': {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'the same as --allow data-loss, for this VM alone',
    },
    parallel: { type: 'integer', value: 'N', default: 2, help: 'number of VMs at the same time' },
  },
  positionals: 1000,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain', 'many'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/apply.mts web-1 --plan-only',
  async run(args, signal) {
    const options = {
      planOnly: args.flag('plan-only'),
      allowed: agreedTo(name, args),
      replaceable: args.strings('allow-replace'),
      parallel: args.integer('parallel', { min: 1, max: 100 })!,
    }
    const { answerFor, applyVms } = await import('./lib/vm/life/apply-many.mts')
    const { withLogins } = await import('./lib/vm/life/logins.mts')
    const { withVms } = await import('./lib/vm/open.mts')
    const outcomes = await withVms(
      name,
      signal,
      context => applyVms(args.positionals, options, context),
      args.positionals,
    )
    return printAnswer(args, await withLogins(answerFor(outcomes), outcomes))
  },
})
