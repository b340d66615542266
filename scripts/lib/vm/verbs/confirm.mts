/** Asks a person before a VM is lost. */
import type { Entry } from '../../registry/entry.mts'
import { ask } from '../../run/ask.mts'
import type { Arguments } from '../../run/command-line.mts'
import { exitCodes, interrupted, ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import { lookAtVm } from '../look/locate.mts'
import { describeLosses } from '../look/losses.mts'

/**
 * A person types the name; a script gives --yes.
 * @param what says what will happen.
 * @throws ProxmintError if the answer is not the name.
 */
export async function confirm(
  { name: vm }: Pick<Entry, 'name'>,
  verb: 'rebuild' | 'destroy',
  args: Arguments,
  signal: AbortSignal,
  what: () => Promise<string>,
): Promise<void> {
  if (args.flag('yes')) return
  const answer = await ask(`${await what()}\nType its name to ${verb} it: `, signal)
  if (answer === undefined) throw interrupted(`${verb} ${vm}; nothing was touched`)
  if (answer.trim() !== vm)
    throw new ProxmintError(`${vm} is kept: "${answer}" is not its name`, {
      hint: `run the command again and answer ${vm}, or give --yes`,
    })
}

/** Says what is lost with a VM. */
export async function destructionText(connection: Connection, entry: Entry): Promise<string> {
  const lines = await lossLines(connection, entry)
  return [`VM ${entry.vmid} will be gone, with all that is on it.`, ...lines.map(line => `  ${line}`)].join(
    '\n',
  )
}

/** What goes with the VM; nothing if there is none, or if it is another VM. */
async function lossLines(connection: Connection, entry: Entry): Promise<string[]> {
  const { vm, config, differences } = await lookAtVm(connection, entry)
  if (vm === undefined || config === undefined || differences.length > 0) return []
  return describeLosses(connection.client, entry, { vm, config })
}

/** @throws ProxmintError (usage) without --yes if nobody can answer. */
export function requireSomebodyToAsk(vm: string, verb: string, args: Arguments): void {
  if (args.flag('yes') || process.stdin.isTTY) return
  throw new ProxmintError(`${verb} ${vm} needs --yes where nobody can be asked`, {
    hint: [
      'zx scripts/vm.mts',
      verb,
      vm,
      '--yes',
      ...args.strings('allow').map(cost => `--allow ${cost}`),
    ].join(' '),
    exitCode: exitCodes.usage,
  })
}
