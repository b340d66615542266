import { runMain } from './lib/run/main.mts'

await runMain({
  name: 'events',
  summary:
    'Prints mints and transfers of access credentials from the chain, with the VM that each token opens.',
  usage: '[--from-block N] [--follow]',
  options: {
    'from-block': { type: 'integer', value: 'N', help: 'first block; default: the last 10000 blocks' },
    follow: {
      type: 'boolean',
      help: 'print new events until interrupted; with --json one document per line',
    },
  },
  positionals: 0,
  uses: ['config', 'chain'],
  writes: [],
  example: 'zx scripts/events.mts --from-block 0',
  async run(args, signal) {
    const { eventsCommand } = await import('./lib/credential/events.mts')
    const fromBlock = args.integer('from-block', { min: 0, max: Number.MAX_SAFE_INTEGER })
    return eventsCommand({ fromBlock, follow: args.flag('follow'), json: args.flag('json') }, signal)
  },
})
