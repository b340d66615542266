import { printAnswer } from './lib/run/answer.mts'
import { runMain } from './lib/run/main.mts'

await runMain({
  name: 'demo',
  summary: 'Does the main job once, with the real tools, on an embedded Proxmox VE of its own.',
  usage: '',
  options: {
    guests: {
      type: 'string',
      value: 'sim|qemu',
      choices: ['sim', 'qemu'],
      default: 'sim',
      help: 'simulated or real virtual machines',
    },
  },
  positionals: 0,
  uses: ['tools', 'web3Package'],
  writes: ['.proxmint/'],
  example: 'zx scripts/demo.mts --guests sim',
  async run(args, signal) {
    const guests = args.string('guests') === 'qemu' ? 'qemu' : 'sim'
    const { demonstrate } = await import('./lib/demo/demo.mts')
    const { formatTimes } = await import('./lib/journey/timed-steps.mts')
    const steps = await demonstrate(args.flag('json') ? process.stderr : process.stdout, guests, signal)
    return printAnswer(args, { document: { steps }, text: `\n${formatTimes(steps)}` })
  },
})
