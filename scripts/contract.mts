import { usageError } from './lib/run/command-line.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'contract'

await runMain({
  name,
  summary:
    'The contract of access credentials: deploys it and writes its address to the config, or shows it.',
  usage: 'deploy | show',
  options: {
    'signing-page': {
      type: 'string',
      value: 'FILE',
      help: "deploy: the HTML page every token carries, instead of proxmint's",
    },
    replace: { type: 'boolean', help: 'deploy: although the config names a contract already' },
    'dry-run': { type: 'boolean', help: 'deploy: tell the cost; sign nothing, need no key' },
  },
  positionals: 1,
  example: 'zx scripts/contract.mts show',
  async run(args, signal) {
    const workflow = await import('./lib/workflows/contract-command.mts')
    const print = <T extends object>(value: T, format: (value: T) => string): void => {
      process.stdout.write(`${args.flag('json') ? JSON.stringify(value, null, 2) : format(value)}\n`)
    }
    const [verb] = args.positionals
    const options = { signingPage: args.string('signing-page'), replace: args.flag('replace') }
    if (verb === 'show') print(await workflow.showContract(), workflow.formatContract)
    else if (verb !== 'deploy') throw usageError({ name }, `say one of ${workflow.contractVerbs.join(', ')}`)
    else if (args.flag('dry-run')) print(await workflow.planDeploy(options), workflow.formatDeploymentPlan)
    else print(await workflow.deploy(options, signal), workflow.formatDeployed)
    return exitCodes.done
  },
})
