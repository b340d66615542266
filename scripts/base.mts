import type { ImportedBase } from './lib/build/base/import.mts'
import { printAnswer } from './lib/run/answer.mts'
import { wordAfterVerb } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'

const name = 'base'

await runMain({
  name,
  summary: 'Makes the base VM template of an official cloud image. It needs only the API of Proxmox VE.',
  verbs: {
    import: {
      usage: 'IMAGE|OS',
      summary: 'Imports the image and makes the base VM template; does nothing if it is there.',
      options: {
        'dry-run': { type: 'boolean', help: 'check everything, then print what would be done' },
      },
      positionals: 1,
    },
  },
  uses: ['config', 'credentials', 'tools', 'locks'],
  writes: ['.proxmint/'],
  example: 'zx scripts/base.mts import debian-12',
  async run(args, signal) {
    const image = wordAfterVerb({ name }, args, 'an image that config/proxmint.yaml names, or a family')
    const { importBase } = await import('./lib/build/base/import.mts')
    const base = await importBase(image, args.flag('dry-run'), signal)
    return printAnswer(args, { document: base, text: describe(base) })
  },
})

function describe({ name, vmid, node, created, plan }: ImportedBase): string {
  if (plan.length > 0) return ['would:', ...plan.map(step => `  ${step}`)].join('\n')
  return `${name}: VM template ${vmid} on ${node}${created ? '' : ', already there'}`
}
