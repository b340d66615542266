import { printAnswer } from './lib/run/answer.mts'
import { verbOf, wordAfterVerb } from './lib/run/command-line.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'registry'

await runMain({
  name,
  summary: 'Checks, backs up or restores the registry of VMs.',
  usage: 'check | backup FILE | restore FILE [--replace]',
  options: {
    replace: { type: 'boolean', help: 'restore: move the registry aside first, if it is in files' },
  },
  positionals: 2,
  uses: ['config', 'registry'],
  writes: ['<FILE>', '.proxmint/registry/'],
  example: 'zx scripts/registry.mts backup registry-backup.json',
  async run(args) {
    const { backUpRegistry, checkRegistry, formatRegistry, registryVerbs, restoreRegistry } = await import(
      './lib/site/registry-command.mts'
    )
    const verb = verbOf({ name }, args, registryVerbs)
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
