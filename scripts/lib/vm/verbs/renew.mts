/** The verbs that take a VM back into work, make it anew or end it: resume, rebuild, destroy. */
import { VM_OPTIONS } from '../../config/vm-options.mts'
import { type Entry, isGivenUp, type Safety } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { usageError, wordAfterVerb } from '../../run/command-line.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { agreedTo } from '../allow.mts'
import { destroyVm } from '../life/destroy.mts'
import { resumeVm } from '../life/expiry.mts'
import { loginLines } from '../life/logins.mts'
import { rebuildVm, undoRebuild } from '../life/rebuild.mts'
import { planText, rebuiltText } from '../life/rebuild-text.mts'
import { openContext } from '../open.mts'
import { confirm, destructionText, requireSomebodyToAsk } from './confirm.mts'
import { expiryText, type Verbs, vmSpec } from './verb.mts'

export const renewVerbs: Verbs = {
  async resume({ store, site, signal }, args) {
    const days = args.integer('days', VM_OPTIONS.expiryDays.range)
    const vm = wordAfterVerb(vmSpec, args, 'a name')
    await requireEntry(store, vm)
    const entry = await resumeVm(vm, days, await openContext(store, site, signal))
    return { document: entry, text: `${vm} is active again, and ${expiryText(entry)}` }
  },
  async rebuild({ store, site, signal }, args) {
    const vm = wordAfterVerb(vmSpec, args, 'a name')
    const entry = await requireEntry(store, vm)
    const [isUndo, undoOnFailure] = [args.flag('undo'), args.flag('undo-on-failure')]
    if (isUndo && undoOnFailure) throw usageError(vmSpec, '--undo and --undo-on-failure exclude each other')
    const plan = planText(entry, isUndo, await site.families(), await site.pools())
    if (plan !== undefined) requireSomebodyToAsk(vm, 'rebuild', args)
    const context = { ...(await openContext(store, site, signal)), allowed: agreedTo('vm', args) }
    if (plan !== undefined) await confirm(entry, 'rebuild', args, signal, async () => plan)
    const options = { noLogin: args.flag('no-login'), undoOnFailure }
    const rebuilt = isUndo ? await undoRebuild(vm, context) : await rebuildVm(vm, options, context)
    return {
      document: rebuilt.entry,
      text: [rebuiltText(rebuilt), ...(await loginLines(rebuilt, site))].join('\n'),
    }
  },
  async destroy({ store, site, signal }, args) {
    const vm = wordAfterVerb(vmSpec, args, 'a name')
    const found = await requireLiving(store, vm)
    requireSomebodyToAsk(vm, 'destroy', args)
    const safety = args.string('safety') as Safety | undefined
    const opened = await openContext(store, site, signal)
    const context = { ...opened, allowed: agreedTo('vm', args), ...(safety !== undefined && { safety }) }
    await confirm(found, 'destroy', args, signal, () => destructionText(context.connection, found))
    const entry = await destroyVm(vm, context)
    return { document: entry, text: destroyedText(entry) }
  },
}

/** Finds a VM to destroy. @throws ProxmintError (usage) that says when it was destroyed, or that there never was one. */
async function requireLiving(store: RegistryStore, vm: string): Promise<Entry> {
  const gone = (await store.find(vm)) ?? (await store.listArchived()).findLast(one => one.name === vm)
  if (gone?.phase !== 'destroyed') return gone ?? requireEntry(store, vm)
  throw new ProxmintError(`${vm} was destroyed already`, {
    facts: { at: gone.history.at(-1)?.at },
    hint: `its history: zx scripts/vm.mts show ${vm}`,
    exitCode: exitCodes.usage,
  })
}

function destroyedText(entry: Entry): string {
  const { name: vm, vmid, address, backup } = entry
  const kept =
    backup === undefined
      ? ''
      : `\nits backup is ${backup.volid}; to bring it back: zx scripts/vm.mts restore ${vm}`
  if (!isGivenUp(entry)) return `${vm} is destroyed; VMID ${vmid} and ${address} are free${kept}`
  return `${vm} is given up, and ${address} is free; VMID ${vmid} belongs to another VM, which was left alone`
}
