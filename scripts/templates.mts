import { type Arguments, usageError } from './lib/run/command-line.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'
import { templatesCommand, templatesUsage, verbs } from './lib/workflows/templates-command.mts'

const name = 'templates'

await runMain({
  name,
  summary: 'Versions and channels of VM templates, as config/templates.lock.json holds them.',
  usage: templatesUsage,
  options: {
    untested: { type: 'boolean', help: 'promote: also what was never tested' },
    reason: { type: 'string', value: 'TEXT', help: 'revoke: why the version is known to be bad' },
    terraform: { type: 'boolean', help: "list: Terraform's variables" },
    keep: { type: 'string', value: 'N', help: 'prune: versions of each family to keep; default 3' },
    'min-age': { type: 'string', value: 'D', help: 'prune: keeps what is younger; default 7d' },
    'dry-run': { type: 'boolean', help: 'prune: tell what would be removed' },
  },
  positionals: 4,
  example: 'zx scripts/templates.mts prune --keep 3 --min-age 7d --dry-run',
  async run(args: Arguments, signal) {
    const [verb = ''] = args.positionals
    if (!verbs.includes(verb)) throw usageError({ name }, `say one of ${verbs.join(', ')}`)
    const { document, text, exitCode } = await templatesCommand(verb, args, signal)
    process.stdout.write(`${args.flag('json') ? JSON.stringify(document, null, 2) : text}\n`)
    return exitCode ?? exitCodes.done
  },
})
