import { usageError } from './lib/run/command-line.mts'
import { exitCodes } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'base'

await runMain({
  name,
  summary: 'Makes the base VM template of an official cloud image, by the API of Proxmox VE alone.',
  usage: 'import IMAGE|OS',
  options: {},
  positionals: 2,
  example: 'zx scripts/base.mts import debian-12',
  async run(args, signal) {
    const [verb, image] = args.positionals
    if (verb !== 'import' || image === undefined) {
      throw usageError({ name }, 'say `import` and an image that config/proxmint.yaml names')
    }
    const { importBase } = await import('./lib/workflows/base-import.mts')
    const base = await importBase(image, signal)
    const text = `${base.name}: VM template ${base.vmid} on ${base.node}${base.created ? '' : ', there already'}`
    process.stdout.write(args.flag('json') ? `${JSON.stringify(base)}\n` : `${text}\n`)
    return exitCodes.done
  },
})
