import { printAnswer } from './lib/run/answer.mts'
import { runMain } from './lib/run/main.mts'
import { checkLogin, exportCredentials, makeCredentials } from './lib/site/credentials-command.mts'

await runMain({
  name: 'credentials',
  summary: 'Makes, checks and exports the credentials for Proxmox VE.',
  verbs: {
    export: { usage: '', summary: 'Prints shell lines for `eval`.', options: {}, positionals: 0 },
    init: {
      usage: '[--dry-run]',
      summary:
        'Makes an age identity, .sops.yaml and the encrypted file, from YAML on standard input or the template.',
      options: {
        'dry-run': { type: 'boolean', help: 'check the values and print which files would be made' },
      },
      positionals: 0,
    },
    check: { usage: '', summary: 'Checks the format, then logs in.', options: {}, positionals: 0 },
  },
  uses: ['config', 'credentials', 'tools'],
  writes: ['secrets/proxmox-creds.enc.yaml', '.sops.yaml', '<age identity>'],
  example: 'eval "$(zx scripts/credentials.mts export)"',
  async run(args) {
    const work = {
      export: exportCredentials,
      init: () => makeCredentials(args.flag('dry-run')),
      check: checkLogin,
    }
    return printAnswer(args, await work[args.verb]())
  },
})
