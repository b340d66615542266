import { assignments } from './lib/run/assignments.mts'
import { usageError } from './lib/run/command-line.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'build'

await runMain({
  name,
  summary: 'Builds the VM template of one family: rules, permissions, packer validate, packer build.',
  usage: 'OS [--var NAME=VALUE]... [--validate-only | --dry-run]',
  options: {
    var: {
      type: 'string',
      multiple: true,
      value: 'NAME=VALUE',
      help: 'sets a variable of the Packer template; no secrets',
    },
    'validate-only': { type: 'boolean', help: 'stop after rules, permissions and `packer validate`' },
    'dry-run': { type: 'boolean', help: 'check, then print the commands instead of running them' },
  },
  positionals: 1,
  example: 'zx scripts/build.mts debian --var debian_release=12',
  async run(args, signal) {
    const [os] = args.positionals
    if (os === undefined) throw usageError({ name }, 'which OS? A family is a folder of packer/')
    const variables = assignments({ name }, 'var', args.strings('var'))
    const { build } = await import('./lib/workflows/build.mts')
    const { formatBuild } = await import('./lib/workflows/format-build.mts')
    const options = { os, variables, validateOnly: args.flag('validate-only'), dryRun: args.flag('dry-run') }
    const result = await build(options, signal)
    process.stdout.write(
      args.flag('json') ? `${JSON.stringify(result, null, 2)}\n` : `${formatBuild(result)}\n`,
    )
    return exitCodes.done
  },
})
