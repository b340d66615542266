import { printAnswer } from './lib/run/answer.mts'
import { verbOf } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'templates'

await runMain({
  name,
  summary: 'Versions and channels of VM templates, as config/templates.lock.json holds them.',
  usage:
    'list [OS] | test OS|VMID | promote OS | rollback OS | revoke VERSION --reason TEXT | prune [OS]... | diff OS [FROM [TO]]',
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
  async run(args, signal) {
    const { templatesCommand, verbs } = await import('./lib/workflows/templates-command.mts')
    const verb = verbOf({ name }, args, verbs)
    return printAnswer(args, await templatesCommand(verb, args, signal))
  },
})
