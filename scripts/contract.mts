import { printAnswer } from './lib/run/answer.mts'
import { usageError } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'contract'

await runMain({
  name,
  summary:
    'The contract of access credentials: deploys it and writes its address to the config, shows it, or gives it to another key.',
  verbs: {
    deploy: {
      usage: '[--signing-page FILE] [--replace] [--dry-run]',
      summary: 'Deploys the contract, and writes its address to config/web3-defaults.yaml.',
      options: {
        'signing-page': {
          type: 'string',
          value: 'FILE',
          help: "HTML page in every token, instead of proxmint's",
        },
        replace: { type: 'boolean', help: 'also if the config already names a contract' },
        'dry-run': { type: 'boolean', help: 'print the cost; sign nothing, need no key' },
      },
      positionals: 0,
    },
    show: {
      usage: '',
      summary: 'Prints the contract and its owner, as the chain has them.',
      options: {},
      positionals: 0,
    },
    'hand-over': {
      usage: '--to ADDRESS [--one-step]',
      summary: 'Offers the contract to another key, which takes it with `accept`.',
      options: {
        to: { type: 'string', value: 'ADDRESS', help: 'address of the key that will mint, once it accepts' },
        'one-step': {
          type: 'boolean',
          help: 'also a contract of an older version, which a wrong address loses for ever',
        },
      },
      positionals: 0,
    },
    accept: {
      usage: '',
      summary: 'Takes the contract that was offered to the key of this config.',
      options: {},
      positionals: 0,
    },
  },
  uses: ['config', 'chain'],
  writes: ['config/web3-defaults.yaml', '.proxmint/'],
  example: 'zx scripts/contract.mts show',
  async run(args, signal) {
    const workflow = await import('./lib/credential/contract-command.mts')
    const print = <T extends object>(document: T, format: (value: T) => string): number =>
      printAnswer(args, { document, text: format(document) })
    const { verb } = args
    const options = { signingPage: args.string('signing-page'), replace: args.flag('replace') }
    if (verb === 'show') return print(await workflow.showContract(), workflow.formatContract)
    if (verb === 'hand-over') {
      const to = args.string('to')
      if (to === undefined) throw usageError({ name }, 'hand-over needs --to ADDRESS')
      return print(
        await workflow.handOver({ to, oneStep: args.flag('one-step') }, signal),
        workflow.formatContract,
      )
    }
    if (verb === 'accept') return print(await workflow.accept(signal), workflow.formatContract)
    if (args.flag('dry-run')) return print(await workflow.planDeploy(options), workflow.formatDeploymentPlan)
    return print(await workflow.deploy(options, signal), workflow.formatDeployed)
  },
})
