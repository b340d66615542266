import type { Arguments } from '../run/command-line.mts'
import { usageError } from '../run/command-line.mts'
import type { Command } from '../run/main.mts'
import { isToolName, type ToolName, toolNames } from './pins.mts'
import {
  formatPlan,
  formatTools,
  planSetup,
  purposes,
  requestFor,
  type SetupPurpose,
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
    for: { type: 'string', value: 'PURPOSE', help: `${purposes.join(', ')} (default; all but qemu)` },
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
  const purpose = args.string('for')
  if (only === undefined) return requestFor(readPurpose(purpose ?? 'all'))
  const groups = purpose === undefined ? [] : requestFor(readPurpose(purpose)).groups
  return { tools: only.split(',').map(readTool), groups }
}

function readPurpose(text: string): SetupPurpose {
  const known = purposes.find(purpose => purpose === text)
  if (known !== undefined) return known
  throw usageError({ name }, `option \`--for\` takes ${purposes.join(', ')}, not \`${text}\``)
}

function readTool(text: string): ToolName {
  if (isToolName(text)) return text
  throw usageError({ name }, `option \`--only\` knows ${toolNames.join(', ')}, not \`${text}\``)
}
