import { printAnswer } from './lib/run/answer.mts'
import { usageError } from './lib/run/command-line.mts'
import type { VerbSpec } from './lib/run/command-spec.mts'
import { runMain } from './lib/run/main.mts'

const name = 'schedule'

type Options = VerbSpec['options']

const manager: Options = {
  user: { type: 'boolean', help: 'your own systemd, in ~/.config/systemd/user (default)' },
  system: { type: 'boolean', help: "the machine's systemd, in /etc/systemd/system; as root" },
}
const families: Options = {
  os: { type: 'string', multiple: true, value: 'OS', help: 'template family to rebuild; default debian' },
}
const dryRun: Options = { 'dry-run': { type: 'boolean', help: 'print what would be written and run' } }

await runMain({
  name,
  summary: 'Installs, removes or shows systemd timers for gc, reconcile and the weekly rebuild.',
  verbs: {
    install: {
      usage: '[--os OS]... [--user | --system] [--dry-run]',
      summary: 'Writes the timers and starts them.',
      options: { ...manager, ...families, ...dryRun },
      positionals: 0,
    },
    remove: {
      usage: '[--user | --system] [--dry-run]',
      summary: 'Stops the timers and removes them.',
      options: { ...manager, ...dryRun },
      positionals: 0,
    },
    show: {
      usage: '[--os OS]... [--user | --system]',
      summary: 'Prints the units that `install` would write.',
      options: { ...manager, ...families },
      positionals: 0,
    },
  },
  uses: ['config'],
  writes: ['<folder of systemd>/proxmint-*.service', '<folder of systemd>/proxmint-*.timer'],
  example: 'zx scripts/schedule.mts show --os debian',
  async run(args) {
    const { timersCommand } = await import('./lib/timers/timers.mts')
    const { verb } = args
    if (args.flag('user') && args.flag('system'))
      throw usageError({ name }, '--user and --system exclude each other')
    const given = args.strings('os')
    const options = {
      manager: args.flag('system') ? ('system' as const) : ('user' as const),
      families: given.length === 0 ? ['debian'] : given,
      dryRun: args.flag('dry-run'),
    }
    return printAnswer(args, await timersCommand(verb, options))
  },
})
