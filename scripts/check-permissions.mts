import { formatVerdicts } from './lib/permissions/format.mts'
import { printAnswer } from './lib/run/answer.mts'
import { usageError } from './lib/run/command-line.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'
import { checkAll, checkSaved } from './lib/site/permissions-command.mts'

const name = 'check-permissions'

await runMain({
  name,
  summary: 'Prints which privileges the work needs, which are granted and which are missing, per ACL path.',
  usage: '[--template OS]... [--save FILE | --from FILE]',
  options: {
    template: { type: 'string', multiple: true, value: 'OS', help: 'only this family (default: all)' },
    save: { type: 'string', value: 'FILE', help: "save Proxmox's answer about the API token" },
    from: {
      type: 'string',
      value: 'FILE',
      help: 'check a saved answer of `pveum user permissions --output-format json`',
    },
    identity: { type: 'string', value: 'ID', help: 'with --from: its owner, USER@REALM!TOKENID' },
    'pve-version': {
      type: 'integer',
      value: '8|9',
      help: 'with --from: major version (default: by the file)',
    },
    node: { type: 'string', value: 'NODE', help: 'with --from: node (default: from the credentials)' },
    storage: {
      type: 'string',
      value: 'ID',
      help: 'with --from: storage of the disks (default: from the credentials)',
    },
  },
  positionals: 0,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms'],
  writes: ['<--save FILE>'],
  example: 'zx scripts/check-permissions.mts --template debian',
  async run(args) {
    const from = args.string('from')
    const saveTo = args.string('save')
    if (from !== undefined && saveTo !== undefined)
      throw usageError({ name }, '--save and --from exclude each other')
    const verdicts =
      from === undefined
        ? await checkAll(args.strings('template'), saveTo)
        : await checkSaved({
            file: from,
            identity: args.string('identity') ?? 'USER@REALM!TOKENID',
            pveMajor: args.integer('pve-version', { min: 8, max: 9 }),
            node: args.string('node'),
            storage: args.string('storage'),
          })
    const isMissing = verdicts.some(({ verdict }) => verdict.report.missing.length > 0)
    return printAnswer(args, {
      document: verdicts,
      text: formatVerdicts(verdicts),
      exitCode: isMissing ? exitCodes.denied : exitCodes.done,
    })
  },
})
