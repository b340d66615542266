import { exitCodes } from './lib/run/errors.mts'
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
      help: 'what VMs are: simulated or real machines',
    },
  },
  positionals: 0,
  uses: ['tools', 'web3Package'],
  writes: ['.proxmint/'],
  example: 'zx scripts/demo.mts --guests sim',
  async run(args, signal) {
    const guests = args.string('guests') === 'qemu' ? 'qemu' : 'sim'
    const { demonstrate } = await import('./lib/demo/demo.mts')
    const steps = await demonstrate(args.flag('json') ? process.stderr : process.stdout, guests, signal)
    if (args.flag('json')) {
      process.stdout.write(`${JSON.stringify({ steps })}\n`)
      return exitCodes.done
    }
    const total = steps.reduce((sum, step) => sum + step.seconds, 0)
    const rows = steps.map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`)
    process.stdout.write(`\n${[...rows, `${total.toFixed(1).padStart(7)} s  in all`].join('\n')}\n`)
    return exitCodes.done
  },
})
