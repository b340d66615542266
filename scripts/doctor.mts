import { printAnswer } from './lib/run/answer.mts'
import { runMain } from './lib/run/main.mts'

await runMain({
  name: 'doctor',
  summary:
    'Checks tools, config, credentials, Proxmox, privileges, storages, templates, chain and registry. Prints every fault at once, each with its fix. Changes nothing.',
  usage: '',
  options: {},
  positionals: 0,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain'],
  writes: [],
  example: 'zx scripts/doctor.mts',
  async run(args) {
    const { diagnose } = await import('./lib/doctor/doctor.mts')
    return printAnswer(args, await diagnose())
  },
})
