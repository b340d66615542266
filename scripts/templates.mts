import { printAnswer } from './lib/run/answer.mts'
import { verbOf } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'templates'

await runMain({
  name,
  summary:
    'Lists, tests, promotes and prunes versions of VM templates, which are in config/templates.lock.json.',
  usage:
    'list [OS] | test OS|VMID | promote OS | rollback OS | revoke VERSION --reason TEXT | prune [OS]... | diff OS [FROM [TO]]',
  options: {
    untested: { type: 'boolean', help: 'promote: also a version that was never tested' },
    reason: { type: 'string', value: 'TEXT', help: 'revoke: the fault of the version' },
    terraform: { type: 'boolean', help: "list: print Terraform's variables" },
    keep: { type: 'integer', value: 'N', default: 3, help: 'prune: versions of each family to keep' },
    'min-age': { type: 'string', value: 'D', default: '7d', help: 'prune: keep younger versions' },
    'dry-run': { type: 'boolean', help: 'prune: print what would be removed' },
  },
  positionals: 4,
  uses: ['config', 'credentials', 'tools', 'guests', 'locks'],
  writes: [
    'config/templates.lock.json',
    'config/template-packages/<VERSION>.txt',
    'terraform/templates.auto.tfvars.json',
    '.proxmint/',
  ],
  example: 'zx scripts/templates.mts prune --keep 3 --min-age 7d --dry-run',
  async run(args, signal) {
    const { templatesCommand, verbs } = await import('./lib/channels/command.mts')
    const verb = verbOf({ name }, args, verbs)
    return printAnswer(args, await templatesCommand(verb, args, signal))
  },
})
