import { printAnswer } from './lib/run/answer.mts'
import { usageError } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'trial'
const LAST_FIRST_VMID = 999_999_900

await runMain({
  name,
  summary:
    'Tries proxmint on your own Proxmox VE: import, build, test, VMs in every phase. Removes all of it, and prints a report for an issue.',
  usage: '[--yes | --dry-run] [--import] [--vmids FIRST] | --clean',
  options: {
    yes: { type: 'boolean', help: 'begin without asking' },
    'dry-run': { type: 'boolean', help: 'print what it would make' },
    clean: { type: 'boolean', help: 'remove what a trial made that was killed' },
    import: { type: 'boolean', help: 'import the image also if its base VM is there' },
    vmids: { type: 'integer', value: 'FIRST', help: 'first of its 30 VMIDs; default: from 99000 on' },
  },
  positionals: 0,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'guests', 'locks'],
  writes: ['.proxmint/trial/', '.proxmint/trial-logs/'],
  example: 'zx scripts/trial.mts --dry-run',
  async run(args, signal) {
    const { cleanTrial, tryProxmint } = await import('./lib/trial/trial.mts')
    const [yes, dryRun, clean] = [args.flag('yes'), args.flag('dry-run'), args.flag('clean')]
    if ([yes, dryRun, clean].filter(Boolean).length > 1) {
      throw usageError({ name }, '--yes, --dry-run and --clean exclude each other')
    }
    const firstVmid = args.integer('vmids', { min: 100, max: LAST_FIRST_VMID })
    const options = { yes, dryRun, firstVmid, importAnyway: args.flag('import') }
    return printAnswer(args, clean ? await cleanTrial(signal) : await tryProxmint(options, signal))
  },
})
