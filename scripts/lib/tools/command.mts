import { type Arguments, requireChoice } from '../run/command-line.mts'
import type { Command } from '../run/main.mts'
import { type ToolName, toolNames } from './pins.mts'
import {
  formatPlan,
  formatTools,
  planSetup,
  purposes,
  requestFor,
  type SetupRequest,
  setUp,
} from './setup.mts'

const name = 'setup'

/** `zx scripts/setup.mts` */
export const setupCommand: Command = {
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
    'dry-run': { type: 'boolean', help: 'say what would be done' },
  },
  positionals: 0,
  uses: ['tools'],
  writes: ['<the cache of tools>'],
  example: 'zx scripts/setup.mts --for demo',
  async run(args, signal) {
    const request = readRequest(args)
    if (args.flag('dry-run')) {
      const plan = await planSetup(request)
      print(args, plan, formatPlan(plan))
      return undefined
    }
    const onNote = (sentence: string): void => void process.stderr.write(`${sentence}\n`)
    const tools = await setUp(request, { signal, onNote })
    print(args, { tools }, formatTools(tools))
    return undefined
  },
}

function print(args: Arguments, document: object, text: string): void {
  process.stdout.write(`${args.flag('json') ? JSON.stringify(document) : text}\n`)
}

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
