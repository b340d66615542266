import { printAnswer } from './lib/run/answer.mts'
import { verbOf } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'
import { checkLogin, exportCredentials, makeCredentials } from './lib/site/credentials-command.mts'

const name = 'credentials'

await runMain({
  name,
  summary:
    'export: shell lines for `eval`. init: age identity, .sops.yaml and the encrypted file, from YAML on standard input or the template. check: format, then a login.',
  usage: 'export | init | check',
  options: {
    'dry-run': { type: 'boolean', help: 'init: check the values and print which files would be made' },
  },
  positionals: 1,
  uses: ['config', 'credentials', 'tools'],
  writes: ['secrets/proxmox-creds.enc.yaml', '.sops.yaml', '<age identity>'],
  example: 'eval "$(zx scripts/credentials.mts export)"',
  async run(args) {
    const work = {
      export: exportCredentials,
      init: () => makeCredentials(args.flag('dry-run')),
      check: checkLogin,
    }
    return printAnswer(args, await work[verbOf({ name }, args, ['export', 'init', 'check'])]())
  },
})
