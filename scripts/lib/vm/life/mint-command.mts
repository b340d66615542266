import type { Answer } from '../../run/answer.mts'
import { type Arguments, usageError } from '../../run/command-line.mts'
import { agreedTo } from '../allow.mts'
import type { VmContext } from '../context.mts'
import { formatVm } from '../look/list.mts'
import { withVms } from '../open.mts'
import { mintForVm, updateCredential } from './credential.mts'

/** `mint --vm NAME` and `mint --update NAME`. */
export async function mintVmCommand(vm: string, args: Arguments, signal: AbortSignal): Promise<Answer> {
  requireAlone(args)
  const update = args.string('update')
  const signature = args.string('user-signature')
  if (update !== undefined && signature === undefined) {
    throw usageError({ name: 'mint' }, '--update needs --user-signature')
  }
  const work = (context: VmContext) =>
    update === undefined
      ? mintForVm(vm, { ...context, allowed: agreedTo('mint', args) })
      : updateCredential(vm, signature!, context)
  const entry = await withVms(`mint ${vm}`, signal, work, [vm])
  const done = update === undefined ? next(entry.phase, vm) : `the owner of ${vm} can read where it is`
  return { document: entry, text: `${formatVm(entry, new Date())}\n\n${done}` }
}

function next(phase: string, vm: string): string {
  return phase === 'minted'
    ? `${vm} has its token, and is powered off: zx scripts/apply.mts ${vm}`
    : `${vm} has its token`
}

/** What a VM's token is was decided when the VM was reserved. */
function requireAlone(args: Arguments): void {
  const others = ['owner-wallet', 'machine-id', 'expiry-days'].filter(name => args.string(name) !== undefined)
  if (args.string('vm') !== undefined && args.string('update') !== undefined) others.push('update')
  if (args.flag('dry-run')) others.push('dry-run')
  if (others.length > 0) throw usageError({ name: 'mint' }, `--vm and --update take no --${others[0]}`)
}
