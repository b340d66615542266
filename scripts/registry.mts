import { printAnswer } from './lib/run/answer.mts'
import { wordAfterVerb } from './lib/run/command-line.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'registry'

await runMain({
  name,
  summary: 'Checks, backs up or restores the registry of VMs.',
  verbs: {
    check: { usage: '', summary: 'Checks the entries and their history.', options: {}, positionals: 0 },
    backup: { usage: 'FILE', summary: 'Writes all entries to a file.', options: {}, positionals: 1 },
    restore: {
      usage: 'FILE [--replace]',
      summary: 'Reads all entries from a backup.',
      options: { replace: { type: 'boolean', help: 'move a registry in files aside first' } },
      positionals: 1,
    },
  },
  uses: ['config', 'registry'],
  writes: ['<FILE>', '.proxmint/registry/'],
  example: 'zx scripts/registry.mts backup registry-backup.json',
  async run(args) {
    const { backUpRegistry, checkRegistry, formatRegistry, restoreRegistry } = await import(
      './lib/site/registry-command.mts'
    )
    const { verb } = args
    const file = verb === 'check' ? undefined : wordAfterVerb({ name }, args, 'a file')
    const replace = args.flag('replace')
    const work = {
      check: () => checkRegistry(),
      backup: () => backUpRegistry(file!),
      restore: () => restoreRegistry(file!, replace),
    }
    const result = await work[verb]()
    return printAnswer(args, {
      document: result,
      text: formatRegistry(verb, file, result),
      exitCode: result.faults.length === 0 ? exitCodes.done : exitCodes.failed,
    })
  },
})
