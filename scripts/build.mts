import type { BuildOptions } from './lib/build/records.mts'
import { printAnswer } from './lib/run/answer.mts'
import { type Arguments, assignments, usageError } from './lib/run/command-line.mts'
import { durationMs } from './lib/run/duration.mts'
import { runMain } from './lib/run/main.mts'

const name = 'build'

await runMain({
  name,
  summary:
    'Builds VM templates: rules, permissions, packer validate, packer build, acceptance test, promotion.',
  usage:
    '[OS]... [--all] [--parallel N] [--if-changed [--max-age D]] [--rules-only | --validate-only | --dry-run]',
  options: {
    all: { type: 'boolean', help: 'build every family of packer/' },
    parallel: { type: 'integer', value: 'N', default: 1, help: 'number of families at the same time' },
    'if-changed': { type: 'boolean', help: 'skip a family with the same inputs as its current version' },
    'max-age': { type: 'string', value: 'D', help: 'with --if-changed: build anyway after D, such as 30d' },
    keep: { type: 'integer', value: 'N', help: 'then prune these families: `templates prune --keep N`' },
    'no-promote': { type: 'boolean', help: 'keep the new version a candidate' },
    'no-test': { type: 'boolean', help: 'skip the acceptance test, and keep the new version a candidate' },
    var: {
      type: 'string',
      multiple: true,
      value: 'NAME=VALUE',
      help: 'set a variable of the Packer template; no secrets',
    },
    'validate-only': { type: 'boolean', help: 'stop after rules, permissions and `packer validate`' },
    'rules-only': {
      type: 'boolean',
      help: 'check the template rules and stop; needs no Proxmox and no credentials',
    },
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
    if (args.flag('rules-only')) {
      const { checkRulesOnly } = await import('./lib/build/offline.mts')
      return printAnswer(args, await checkRulesOnly(options))
    }
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
      all ? '--all and names exclude each other' : 'name an OS, which is a folder of packer/, or use --all',
    )
  }
  const maxAgeMs = durationMs({ name }, 'max-age', args.string('max-age'))
  if (maxAgeMs !== undefined && !args.flag('if-changed')) {
    throw usageError({ name }, '--max-age needs --if-changed: without it everything is built anyway')
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
