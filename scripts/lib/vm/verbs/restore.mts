/** The verb `restore`. */
import { VM_OPTIONS } from '../../config/vm-options.mts'
import { mintedToken } from '../../credential/vm-token.mts'
import { expiryDay } from '../../registry/due.mts'
import type { Entry } from '../../registry/entry.mts'
import { type Arguments, wordAfterVerb } from '../../run/command-line.mts'
import { restoreByName } from '../life/restore.mts'
import type { RestoreWishes } from '../life/restore-plan.mts'
import { openContext } from '../open.mts'
import { type Verbs, vmSpec } from './verb.mts'

export const restoreVerbs: Verbs = {
  async restore({ store, site, signal }, args) {
    const vm = wordAfterVerb(vmSpec, args, 'a name')
    const wishes = wishesIn(args)
    const entry = await restoreByName(vm, wishes, await openContext(store, site, signal))
    return { document: entry, text: restoredText(entry) }
  },
}

function wishesIn(args: Arguments): RestoreWishes {
  return {
    vmid: args.integer('vmid', VM_OPTIONS.vmid.range),
    storage: args.string('storage'),
    days: args.integer('days', VM_OPTIONS.expiryDays.range),
  }
}

function restoredText(entry: Entry): string {
  const { name, vmid, address, phase, backup } = entry
  const next = phase === 'suspended' ? `resume ${name}` : `start ${name}`
  const token = mintedToken(entry)
  const lines = [
    `${name} is back as VM ${vmid} with ${address}, powered off, as it was in ${backup!.volid}`,
    ...(token === undefined
      ? []
      : [
          `token ${token.id} had expired with the VM; on the chain it ${entry.expiresAt === null ? 'never expires' : `expires on ${expiryDay(entry)}`} again`,
        ]),
    `to power it on: zx scripts/vm.mts ${next}`,
  ]
  return lines.join('\n')
}
