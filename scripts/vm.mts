import { printAnswer } from './lib/run/answer.mts'
import { verbOf } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'
import { createFlags } from './lib/vm/flags.mts'

const name = 'vm'
const flags = createFlags()

await runMain({
  name,
  summary: 'Virtual machines: makes them from VM templates, keeps their registry, destroys them.',
  usage:
    'create NAME... [--from FILE] | list | show NAME | extend NAME --days N | resume NAME | rebuild NAME | destroy NAME | import FILE',
  options: {
    ...flags,
    pool: { ...flags['pool']!, help: `${flags['pool']!.help}; list: only of this pool` },
    'user-signature': {
      type: 'string',
      value: 'HEX|FILE',
      help: 'create: what the owner signed, to encrypt the address for them; `vm show` tells the text',
    },
    from: { type: 'string', value: 'FILE', help: 'create: all VMs of a fleet file' },
    parallel: { type: 'integer', value: 'N', default: 2, help: 'create: how many VMs at the same time' },
    apply: { type: 'boolean', help: 'create: makes and boots it; without, it is reserved only' },
    rollback: { type: 'boolean', help: 'create: gives all up again when a step before the boot fails' },
    mock: { type: 'boolean', help: 'create: shows what would be made; writes nothing, needs no credentials' },
    phase: {
      type: 'string',
      value: 'PHASE',
      choices: ['reserved', 'created', 'minted', 'active', 'suspended', 'destroyed'],
      help: 'list: only those that are active, suspended, ...',
    },
    outdated: { type: 'boolean', help: 'list: only those on a version that is not current, or revoked' },
    days: { type: 'integer', value: 'N', help: 'extend, resume: by how many days' },
    yes: { type: 'boolean', help: 'rebuild, destroy: without asking' },
  },
  positionals: 1000,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain', 'many'],
  writes: ['vms/<NAME>/', '.proxmint/'],
  example: 'zx scripts/vm.mts create web-1 --no-web3 --cpu 2 --memory 2048 --apply',
  async run(args, signal) {
    const { vmCommand, vmVerbs } = await import('./lib/vm/life/command.mts')
    const verb = verbOf({ name }, args, vmVerbs)
    return printAnswer(args, await vmCommand(verb, args, signal))
  },
})
