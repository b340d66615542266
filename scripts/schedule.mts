import { printAnswer } from './lib/run/answer.mts'
import { usageError, verbOf } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'schedule'

await runMain({
  name,
  summary: 'Installs, removes or shows systemd timers for gc, reconcile and the weekly rebuild.',
  usage: 'install | remove | show',
  options: {
    user: {
      type: 'boolean',
      help: 'your own systemd, in ~/.config/systemd/user (default)',
    },
    system: { type: 'boolean', help: "the machine's systemd, in /etc/systemd/system; as root" },
    os: { type: 'string', multiple: true, value: 'OS', help: 'template family to rebuild; default debian' },
    'dry-run': { type: 'boolean', help: 'print what would be written and run' },
  },
  positionals: 1,
  uses: ['config'],
  writes: ['<folder of systemd>/proxmint-*.service', '<folder of systemd>/proxmint-*.timer'],
  example: 'zx scripts/schedule.mts show --os debian',
  async run(args) {
    const { timersCommand, timerVerbs } = await import('./lib/timers/timers.mts')
    const verb = verbOf({ name }, args, timerVerbs)
    if (args.flag('user') && args.flag('system'))
      throw usageError({ name }, '--user and --system exclude each other')
    const given = args.strings('os')
    const families = given.length === 0 ? ['debian'] : given
    const manager = args.flag('system') ? 'system' : 'user'
    return printAnswer(args, await timersCommand(verb, { manager, families, dryRun: args.flag('dry-run') }))
  },
})
