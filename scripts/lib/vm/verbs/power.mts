/** The verbs `start`, `stop` and `restart`. */
import type { ShutdownOptions } from '../../proxmox/shutdown-vm.mts'
import { requireEntry } from '../../registry/revise.mts'
import type { Answer } from '../../run/answer.mts'
import { type Arguments, usageError, wordAfterVerb } from '../../run/command-line.mts'
import type { VmContext } from '../context.mts'
import { type Powered, pendingText, restartByName, startByName, stopByName } from '../life/start-stop.mts'
import { openContext } from '../open.mts'
import { SHUTDOWN_SECONDS } from '../stack/reshape.mts'
import { type Verbs, vmSpec } from './verb.mts'

export const powerVerbs: Verbs = {
  start: powering(async (vm, _, context) => answerFor(await startByName(vm, context), 'runs')),
  stop: powering(async (vm, args, context) =>
    answerFor(await stopByName(vm, shutdownOptions(args), context), 'is off'),
  ),
  restart: powering(async (vm, args, context) =>
    answerFor(await restartByName(vm, shutdownOptions(args), context), 'runs'),
  ),
}

/** A name that the registry does not have is refused before the login. */
function powering(work: (vm: string, args: Arguments, context: VmContext) => Promise<Answer>): Verbs[string] {
  return async ({ store, site, signal }, args) => {
    const vm = wordAfterVerb(vmSpec, args, 'a name')
    await requireEntry(store, vm)
    shutdownOptions(args)
    return work(vm, args, await openContext(store, site, signal))
  }
}

function shutdownOptions(args: Arguments): ShutdownOptions {
  if (args.verb === 'start') return { seconds: 0, hard: false }
  const hard = args.flag('hard')
  const seconds = args.integer('timeout', { min: 0, max: 86_400 }) ?? SHUTDOWN_SECONDS
  if (seconds === 0 && !hard) throw usageError(vmSpec, '--timeout 0 gives the guest no time: it needs --hard')
  return { seconds, hard }
}

function answerFor({ entry, did, changes }: Powered, is: string): Answer {
  const state = did === 'nothing' ? `${is} already` : did === 'restarted' ? `${is} again` : is
  const active = changes.length === 0 ? '' : `; now active: ${pendingText(changes)}`
  return { document: { ...entry, did, changes }, text: `${entry.name} ${state}${active}` }
}
