/** Asks a person before a VM is lost. */
import type { Entry } from '../../registry/entry.mts'
import { ask } from '../../run/ask.mts'
import type { Arguments } from '../../run/command-line.mts'
import { exitCodes, interrupted, ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { lookAtVm } from '../look/locate.mts'
import { describeLosses } from '../look/losses.mts'

/** A person types the name; a script gives --yes. @throws ProxmintError if the answer is not the name. */
export async function confirm(
  entry: Entry,
  verb: 'rebuild' | 'destroy',
  args: Arguments,
  { connection, signal }: VmContext,
): Promise<void> {
  if (args.flag('yes')) return
  const { name: vm, vmid } = entry
  const lines = (await lossLines(connection, entry)).map(line => `  ${line}\n`)
  const question = `VM ${vmid} will be gone, with all that is on it.\n${lines.join('')}Type its name to ${verb} it: `
  const answer = await ask(question, signal)
  if (answer === undefined) throw interrupted(`${verb} ${vm}; nothing was touched`)
  if (answer.trim() !== vm)
    throw new ProxmintError(`${vm} is kept: "${answer}" is not its name`, {
      hint: `run the command again and answer ${vm}, or give --yes`,
    })
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
