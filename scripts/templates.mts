import { printAnswer } from './lib/run/answer.mts'
import { runMain } from './lib/run/main.mts'

await runMain({
  name: 'templates',
  summary:
    'Lists, tests, promotes and prunes versions of VM templates, which are in config/templates.lock.json.',
  verbs: {
    list: {
      usage: '[OS]',
      summary: 'Lists the versions of each family.',
      options: { terraform: { type: 'boolean', help: "print Terraform's variables" } },
      positionals: 1,
    },
    test: {
      usage: 'OS|VMID',
      summary: 'Boots two clones of a VM template and checks them.',
      options: {},
      positionals: 1,
    },
    promote: {
      usage: 'OS',
      summary: 'Makes the candidate the current version, which new VMs are made from.',
      options: { untested: { type: 'boolean', help: 'also a version that was never tested' } },
      positionals: 1,
    },
    rollback: {
      usage: 'OS',
      summary: 'Makes the previous version current again.',
      options: {},
      positionals: 1,
    },
    revoke: {
      usage: 'VERSION --reason TEXT',
      summary: 'Marks a version as faulty: no VM is made from it any more.',
      options: { reason: { type: 'string', value: 'TEXT', help: 'the fault of the version' } },
      positionals: 1,
    },
    prune: {
      usage: '[OS]...',
      summary: 'Removes old versions with their VM templates; current and previous stay.',
      options: {
        keep: { type: 'integer', value: 'N', default: 3, help: 'versions of each family to keep' },
        'min-age': { type: 'string', value: 'D', default: '7d', help: 'keep younger versions' },
        'dry-run': { type: 'boolean', help: 'print what would be removed' },
      },
      positionals: 99,
    },
    diff: {
      usage: 'OS [FROM [TO]]',
      summary: 'Compares the packages of two versions.',
      options: {},
      positionals: 3,
    },
  },
  uses: ['config', 'credentials', 'tools', 'guests', 'locks'],
  writes: [
    'config/templates.lock.json',
    'config/template-packages/<VERSION>.txt',
    'terraform/templates.auto.tfvars.json',
    '.proxmint/',
  ],
  example: 'zx scripts/templates.mts prune --keep 3 --min-age 7d --dry-run',
  async run(args, signal) {
    const { templatesCommand } = await import('./lib/channels/command.mts')
    return printAnswer(args, await templatesCommand(args, signal))
  },
})
