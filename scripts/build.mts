import type { BuildOptions } from './lib/build/records.mts'
import { type Arguments, assignments, usageError } from './lib/run/command-line.mts'
import { durationMs } from './lib/run/duration.mts'
import { runMain } from './lib/run/main.mts'

const name = 'build'

await runMain({
  name,
  summary:
    'Builds VM templates: rules, permissions, packer validate, packer build, acceptance test, promotion.',
  usage: '[OS]... [--all] [--parallel N] [--if-changed [--max-age D]] [--validate-only | --dry-run]',
  options: {
    all: { type: 'boolean', help: 'builds every family of packer/' },
    parallel: {
      type: 'integer',
      value: 'N',
      default: 1,
      help: 'how many families are built at the same time',
    },
    'if-changed': {
      type: 'boolean',
      help: 'leaves a family alone whose inputs are those of its current version',
    },
    'max-age': { type: 'string', value: 'D', help: 'with --if-changed: builds anyway after D, such as 30d' },
    keep: { type: 'integer', value: 'N', help: 'prunes what was built, as `templates prune --keep N` does' },
    'no-promote': { type: 'boolean', help: 'leaves the new version a candidate' },
    'no-test': { type: 'boolean', help: 'leaves the acceptance test out, and the new version a candidate' },
    var: {
      type: 'string',
      multiple: true,
      value: 'NAME=VALUE',
      help: 'sets a variable of the Packer template; no secrets',
    },
    'validate-only': { type: 'boolean', help: 'stop after rules, permissions and `packer validate`' },
    'dry-run': { type: 'boolean', help: 'check, then print the commands instead of running them' },
  },
  positionals: 99,
  uses: ['config', 'credentials', 'tools', 'web3Package', 'guests', 'locks', 'many'],
  writes: [
    'config/templates.lock.json',
    'config/template-packages/<VERSION>.txt',
    'terraform/templates.auto.tfvars.json',
    '.proxmint/',
  ],
  example: 'zx scripts/build.mts debian --var debian_release=12',
  async run(args, signal) {
    const options = optionsOf(args)
    const { build } = await import('./lib/build/build.mts')
    const { reportBuild } = await import('./lib/build/format.mts')
    return reportBuild(await build(options, signal), args.flag('json'))
  },
})

function optionsOf(args: Arguments): BuildOptions {
  const all = args.flag('all')
  if (all === args.positionals.length > 0) {
    throw usageError(
      { name },
      all ? '--all and names exclude each other' : 'which OS? A family is a folder of packer/',
    )
  }
  const maxAgeMs = durationMs({ name }, 'max-age', args.string('max-age'))
  if (maxAgeMs !== undefined && !args.flag('if-changed')) {
    throw usageError({ name }, '--max-age goes with --if-changed: without it everything is built anyway')
  }
  return {
    families: args.positionals,
    variables: assignments({ name }, 'var', args.strings('var')),
    validateOnly: args.flag('validate-only'),
    dryRun: args.flag('dry-run'),
    ifChanged: args.flag('if-changed'),
    maxAgeMs,
    promote: !args.flag('no-promote'),
    test: !args.flag('no-test'),
    keep: args.integer('keep', { min: 1, max: 1000 }),
    parallel: args.integer('parallel', { min: 1, max: 100 })!,
  }
}
