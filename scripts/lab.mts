import type { FaultAction, UpOptions } from '../lab/cli.mts'
import type { FaultReport } from '../lab/pve/core/fault.mts'
import { DEFAULT_STATE_FOLDER, type LabRecord } from '../lab/record.mts'
import { type Arguments, usageError, verbOf } from './lib/run/command-line.mts'
import { exitCodes, ProxmintError } from './lib/run/errors.mts'
import { runMain } from './lib/run/main.mts'

const name = 'lab'

await runMain({
  name,
  summary: 'Runs an embedded Proxmox VE with guests, in a network of its own.',
  usage: 'up | down | status | exec -- COMMAND | fault set FILE | fault clear | fault list',
  options: {
    state: {
      type: 'string',
      value: 'DIR',
      default: DEFAULT_STATE_FOLDER,
      help: 'what is kept between labs',
    },
    listen: {
      type: 'string',
      value: 'HOST:PORT',
      default: '127.0.0.1:0',
      help: 'where the API listens; port 0 is a free one',
    },
    public: { type: 'boolean', help: 'let --listen be an address that other machines reach' },
    'user-cfg': { type: 'string', value: 'FILE', help: "users and ACLs in Proxmox's own user.cfg format" },
    cluster: {
      type: 'string',
      value: 'FILE',
      help: 'nodes and storages: see docs/lab.md (default one node)',
    },
    'root-password': { type: 'string', value: 'TEXT', help: 'of root@pam (default: made up)' },
    'pve-version': {
      type: 'string',
      value: '8|9',
      choices: ['8', '9'],
      default: 9,
      help: 'Proxmox VE to be',
    },
    guests: {
      type: 'string',
      value: 'sim|qemu|none',
      choices: ['sim', 'qemu', 'none'],
      default: 'sim',
      help: 'what runs a VM',
    },
    image: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      choices: ['debian-12', 'debian-13'],
      help: 'debian-12 (default), debian-13',
    },
    isolation: {
      type: 'string',
      value: 'MODE',
      choices: ['auto', 'namespace', 'loopback'],
      default: 'auto',
      help: 'auto, namespace, or loopback: all on 127.0.0.1',
    },
    fault: { type: 'string', value: 'FILE', help: 'what goes wrong, as a YAML list: see docs/lab-faults.md' },
    chain: { type: 'boolean', help: 'with a chain and the contract of access credentials on it' },
    'time-scale': { type: 'string', value: 'X', default: 1, help: 'duration of tasks; 0: none' },
  },
  positionals: Number.POSITIVE_INFINITY,
  uses: [],
  writes: ['.proxmint/lab/'],
  example: 'zx scripts/lab.mts exec -- packer build packer/debian',
  run: (args, signal) => dispatch(args, signal).catch(explain),
})

async function dispatch(args: Arguments, signal: AbortSignal): Promise<number | undefined> {
  const subcommand = verbOf({ name }, args, ['up', 'down', 'status', 'exec', 'fault'])
  const rest = args.positionals.slice(1)
  const { labDown, labExec, labUp, requireLab } = await import('../lab/cli.mts')
  const state = args.string('state')!
  if (subcommand === 'exec') {
    if (rest.length === 0) throw usageError({ name }, 'exec needs a command: lab exec -- COMMAND')
    return labExec(state, rest, signal)
  }
  if (subcommand === 'fault') return fault(args, state, rest)
  if (rest.length > 0) throw usageError({ name }, `unexpected argument \`${rest[0]}\``)
  switch (subcommand) {
    case 'up':
      return labUp(await upOptions(args, state), signal).then(() => undefined)
    case 'down':
      print(args, await labDown(state), ({ url }) => `The lab at ${url} is down.`)
      return exitCodes.done
    case 'status':
      print(args, await requireLab(state), describe)
      return exitCodes.done
  }
}

async function fault(args: Arguments, state: string, words: string[]): Promise<number> {
  const { labFault } = await import('../lab/cli.mts')
  const reports = await labFault(state, faultAction(words))
  const line = ({ fault, seen, struck }: FaultReport) => `${fault.fault}  fitted ${seen}, struck ${struck}`
  const lines = reports.length === 0 ? ['Nothing goes wrong on demand.'] : reports.map(line)
  process.stdout.write(`${args.flag('json') ? JSON.stringify({ faults: reports }) : lines.join('\n')}\n`)
  return exitCodes.done
}

function faultAction([action, file, ...more]: string[]): FaultAction {
  if (action === 'set' && file !== undefined && more.length === 0) return { action, file }
  if ((action === 'clear' || action === 'list') && file === undefined) return { action }
  throw usageError({ name }, 'fault takes `set FILE`, `clear` or `list`')
}

async function upOptions(args: Arguments, stateFolder: string): Promise<UpOptions> {
  const { parseUpOptions } = await import('../lab/up-options.mts')
  return {
    ...parseUpOptions({
      listen: args.string('listen'),
      public: args.flag('public'),
      guests: args.string('guests'),
      pveVersion: args.string('pve-version'),
      images: args.strings('image'),
      timeScale: args.string('time-scale'),
      isolation: args.string('isolation'),
    }),
    stateFolder,
    userCfgFile: args.string('user-cfg'),
    clusterFile: args.string('cluster'),
    faultFile: args.string('fault'),
    rootPassword: args.string('root-password'),
    chain: args.flag('chain'),
    onProgress: line => process.stderr.write(`${line}\n`),
    onReady: record => print(args, record, describe),
  }
}

function print(args: Arguments, record: LabRecord, sentence: (record: LabRecord) => string): void {
  const { url, tokenEnv, caFile, rpcUrl, pid, imagesUrl, firstSshPort, nodeSsh, controlSocket } = record
  const told = { url, tokenEnv, caFile, rpcUrl, pid, imagesUrl, firstSshPort, nodeSsh, controlSocket }
  const line = args.flag('json') ? JSON.stringify(told) : sentence(record)
  process.stdout.write(`${line}\n`)
}

function describe({
  url,
  caFile,
  rpcUrl,
  web3File,
  pid,
  isolation,
  firstSshPort,
  nodeSsh,
}: LabRecord): string {
  return [
    `Proxmox VE API  ${url}`,
    `CA certificate  ${caFile}`,
    `SSH of the node ${nodeSsh.user}@${nodeSsh.host}, port ${nodeSsh.port}, key ${nodeSsh.privateKeyFile}`,
    ...(rpcUrl === null ? [] : [`chain           ${rpcUrl}, PROXMINT_WEB3=${web3File}`]),
    `process         ${pid}, in ${isolation.description}`,
    firstSshPort === null
      ? 'Guests are reached with `zx scripts/lab.mts exec -- COMMAND`.'
      : `SSH of a VM       127.0.0.1, port ${firstSshPort} plus the last three digits of its VMID`,
  ].join('\n')
}

/** The lab's own failures, in the words of every other command; it shares no code with them. */
async function explain(error: unknown): Promise<never> {
  const { LabError, LabUsageError } = await import('../lab/core/lab-error.mts')
  if (!(error instanceof LabError)) throw error
  const exitCode = error instanceof LabUsageError ? exitCodes.usage : exitCodes.failed
  throw new ProxmintError(error.message, { hint: error.hint, exitCode, cause: error })
}
