/** Subcommands of the lab as a person types them: reads the words, calls `cli.mts`, prints the result. */

import { type FaultAction, labDown, labExec, labFault, labUp, requireLab, type UpOptions } from './cli.mts'
import { nearest } from './cluster/nearest.mts'
import { LabUsageError } from './core/lab-error.mts'
import type { FaultReport } from './pve/core/fault.mts'
import type { LabRecord } from './record.mts'
import { parseUpOptions } from './up-options.mts'

/** Words of a command line, parsed with `LAB_OPTIONS`. */
export interface LabArguments {
  positionals: string[]
  /** Returns the value of an option, or its default. */
  string(name: string): string | undefined
  strings(name: string): string[]
  flag(name: string): boolean
}

const SUBCOMMANDS = ['up', 'down', 'status', 'exec', 'fault', 'record'] as const

type Subcommand = (typeof SUBCOMMANDS)[number]

/**
 * Runs one subcommand to its end.
 *
 * @param command name of the program, for texts that suggest another command: `pve-lab`.
 * @returns 0, or the exit code of the program that `exec` ran.
 * @throws {LabUsageError} for wrong words. @throws {LabError} for any other failure with a remedy.
 */
export async function runLabCommand(
  command: string,
  args: LabArguments,
  signal: AbortSignal,
): Promise<number> {
  const subcommand = subcommandOf(args)
  const words = args.positionals.slice(1)
  if (subcommand === 'record') return record(args, words, signal)
  const state = args.string('state')!
  if (subcommand === 'exec') {
    if (words.length === 0) throw usageError('exec needs a command: lab exec -- COMMAND')
    return labExec(state, words, signal)
  }
  if (subcommand === 'fault') return runFault(args, state, words)
  if (words.length > 0) throw usageError(`unexpected argument \`${words[0]}\``)
  await runOne[subcommand](command, args, signal)
  return 0
}

const runOne: Record<
  Exclude<Subcommand, 'exec' | 'fault' | 'record'>,
  (command: string, args: LabArguments, signal: AbortSignal) => Promise<void>
> = {
  up: (command, args, signal) => labUp(upOptions(command, args), signal),
  down: async (_, args) =>
    print(args, await labDown(args.string('state')!), ({ url }) => `The lab at ${url} is down.`),
  status: async (command, args) =>
    print(args, await requireLab(args.string('state')!), record => describe(command, record)),
}

async function record(args: LabArguments, [file, ...more]: string[], signal: AbortSignal): Promise<number> {
  if (more.length > 0) throw usageError(`unexpected argument \`${more[0]}\``)
  const { runRecord } = await import('./answers/command.mts')
  const words = {
    ...{ file, url: args.string('url'), node: args.string('node'), storages: args.strings('storage') },
    ...{ block: args.string('block'), out: args.string('out') },
    ...{ clean: args.flag('clean'), dryRun: args.flag('dry-run') },
  }
  process.stderr.write(`${await runRecord(words, process.env, signal)}\n`)
  return 0
}

function usageError(message: string): LabUsageError {
  return new LabUsageError(message, 'pve-lab --help')
}

function subcommandOf({ positionals: [word] }: LabArguments): Subcommand {
  const known = SUBCOMMANDS.join(', ')
  if (word === undefined) throw usageError(`say one of ${known}`)
  const subcommand = SUBCOMMANDS.find(each => each === word)
  if (subcommand !== undefined) return subcommand
  const meant = nearest(word, SUBCOMMANDS)
  const question = meant === undefined ? '' : `; did you mean ${meant}?`
  throw usageError(`say one of ${known}, not \`${word}\`${question}`)
}

async function runFault(args: LabArguments, state: string, words: string[]): Promise<number> {
  const reports = await labFault(state, faultAction(words))
  const line = ({ fault, seen, struck }: FaultReport): string =>
    `${fault.fault}  fitted ${seen}, struck ${struck}`
  const lines = reports.length === 0 ? ['No faults are set.'] : reports.map(line)
  process.stdout.write(`${args.flag('json') ? JSON.stringify({ faults: reports }) : lines.join('\n')}\n`)
  return 0
}

function faultAction([action, file, ...more]: string[]): FaultAction {
  if (action === 'set' && file !== undefined && more.length === 0) return { action, file }
  if ((action === 'clear' || action === 'list') && file === undefined) return { action }
  throw usageError('fault takes `set FILE`, `clear` or `list`')
}

function upOptions(command: string, args: LabArguments): UpOptions {
  return {
    ...parseUpOptions({
      listen: args.string('listen'),
      public: args.flag('public'),
      guests: args.string('guests'),
      pveVersion: args.string('pve-version'),
      images: args.strings('image'),
      timeScale: args.string('time-scale'),
      staleSeconds: args.string('stale-seconds'),
      isolation: args.string('isolation'),
    }),
    stateFolder: args.string('state')!,
    userCfgFile: args.string('user-cfg'),
    clusterFile: args.string('cluster'),
    faultFile: args.string('fault'),
    // Not an option: every user of the machine can read the arguments of a process.
    rootPassword: process.env['PVE_LAB_ROOT_PASSWORD'] || undefined,
    chain: args.flag('chain'),
    onProgress: line => process.stderr.write(`${line}\n`),
    onReady: record => print(args, record, record => describe(command, record)),
  }
}

function print(args: LabArguments, record: LabRecord, sentence: (record: LabRecord) => string): void {
  const { url, tokenEnv, caFile, rpcUrl, pid, imagesUrl, firstSshPort, nodeSsh, controlSocket } = record
  const told = { url, tokenEnv, caFile, rpcUrl, pid, imagesUrl, firstSshPort, nodeSsh, controlSocket }
  process.stdout.write(`${args.flag('json') ? JSON.stringify(told) : sentence(record)}\n`)
}

function describe(command: string, record: LabRecord): string {
  const { url, caFile, rpcUrl, web3File, pid, isolation, firstSshPort, nodeSsh } = record
  return [
    `Proxmox VE API  ${url}`,
    `CA certificate  ${caFile}`,
    `SSH of the node ${nodeSsh.user}@${nodeSsh.host}, port ${nodeSsh.port}, key ${nodeSsh.privateKeyFile}`,
    ...(rpcUrl === null ? [] : [`chain           ${rpcUrl}, PROXMINT_WEB3=${web3File}`]),
    `process         ${pid}, in ${isolation.description}`,
    firstSshPort === null
      ? `Guests are reached with \`${command} exec -- COMMAND\`.`
      : `SSH of a VM       127.0.0.1, port ${firstSshPort} plus the last three digits of its VMID`,
  ].join('\n')
}
