import { printAnswer } from './lib/run/answer.mts'
import { usageError, verbOf } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'contract'

await runMain({
  name,
  summary:
    'The contract of access credentials: deploys it and writes its address to the config, shows it, or gives it to another key.',
  usage: 'deploy | show | hand-over --to ADDRESS | accept',
  options: {
    'signing-page': {
      type: 'string',
      value: 'FILE',
      help: "deploy: HTML page in every token, instead of proxmint's",
    },
    to: {
      type: 'string',
      value: 'ADDRESS',
      help: 'hand-over: address of the key that will mint, once it accepts',
    },
    'one-step': {
      type: 'boolean',
      help: 'hand-over: also a contract of an older version, which a wrong address loses for ever',
    },
    replace: { type: 'boolean', help: 'deploy: also if the config already names a contract' },
    'dry-run': { type: 'boolean', help: 'deploy: print the cost; sign nothing, need no key' },
  },
  positionals: 1,
  uses: ['config', 'chain'],
  writes: ['config/web3-defaults.yaml', '.proxmint/'],
  example: 'zx scripts/contract.mts show',
  async run(args, signal) {
    const workflow = await import('./lib/credential/contract-command.mts')
    const print = <T extends object>(document: T, format: (value: T) => string): number =>
      printAnswer(args, { document, text: format(document) })
    const verb = verbOf({ name }, args, workflow.contractVerbs)
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
