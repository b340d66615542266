import { printAnswer } from './lib/run/answer.mts'
import { type Arguments, requireChoice } from './lib/run/command-line.mts'
import { runMain } from './lib/run/main.mts'
import { say } from './lib/run/progress.mts'
import { type ToolName, toolNames } from './lib/tools/pins.mts'
import {
  formatPlan,
  formatTools,
  planSetup,
  purposes,
  requestFor,
  type SetupRequest,
  setUp,
} from './lib/tools/setup.mts'

const name = 'setup'

await runMain({
  name,
  summary: 'Finds the tools that proxmint needs, or installs the versions pinned in tools/pins.json.',
  usage: '[--only TOOL,...] [--for PURPOSE] [--dry-run]',
  options: {
    only: { type: 'string', value: 'TOOL,...', help: `only these of: ${toolNames.join(', ')}` },
    for: {
      type: 'string',
      value: 'PURPOSE',
      choices: purposes,
      help: `${purposes.join(', ')} (default; all but qemu)`,
    },
    'dry-run': { type: 'boolean', help: 'print what would be done' },
  },
  positionals: 0,
  uses: ['tools'],
  writes: ['<the cache of tools>'],
  example: 'zx scripts/setup.mts --for demo',
  async run(args, signal) {
    const request = readRequest(args)
    if (args.flag('dry-run')) {
      const plan = await planSetup(request)
      return printAnswer(args, { document: plan, text: formatPlan(plan) })
    }
    const tools = await setUp(request, { signal, onNote: say })
    return printAnswer(args, { document: { tools }, text: formatTools(tools) })
  },
})

function readRequest(args: Arguments): SetupRequest {
  const only = args.string('only')
  const purpose = purposes.find(known => known === args.string('for'))
  if (only === undefined) return requestFor(purpose ?? 'all')
  const groups = purpose === undefined ? [] : requestFor(purpose).groups
  return { tools: only.split(',').map(readTool), groups }
}

function readTool(text: string): ToolName {
  requireChoice({ name }, 'option `--only` knows', text, toolNames)
  return text as ToolName
}
