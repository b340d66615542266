/** The verbs that change nothing but the registry: list, show, extend, import. */
import { VM_OPTIONS } from '../../config/vm-options.mts'
import { issuers } from '../../credential/issuer.mts'
import { type Entry, stillGone } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { type Arguments, usageError, wordAfterVerb } from '../../run/command-line.mts'
import type { Site } from '../../site/site.mts'
import { extendVm } from '../life/expiry.mts'
import { importVms } from '../life/import.mts'
import { formatVm, formatVms } from '../look/list.mts'
import { formatOutdated, outdatedIn } from '../look/outdated.mts'
import { warnIfEmpty } from '../look/unknown.mts'
import { factsOf, viewsOf } from '../look/views.mts'
import { poolNamed } from '../plan/draft.mts'
import { listForTool } from './list-for-tool.mts'
import { expiryText, type Verbs, vmSpec } from './verb.mts'

export const entryVerbs: Verbs = {
  async list({ store, site }, args) {
    const isGone = args.string('phase') === 'destroyed'
    const all = await (isGone ? goneEntries(store) : store.list())
    if (!isGone) await warnIfEmpty(site, all)
    await requirePool(site, args.string('pool'), all)
    const entries = all.filter(matching(args))
    const forTool = listForTool(entries, args)
    if (forTool !== undefined) return forTool
    if (args.flag('outdated')) {
      const outdated = outdatedIn(await site.families(), entries)
      return { document: outdated, text: formatOutdated(outdated) }
    }
    return { document: entries, text: formatVms(entries, new Date()) }
  },
  async show({ store, site }, args) {
    const vm = wordAfterVerb(vmSpec, args, 'a name')
    const archived = async () => (await store.listArchived()).findLast(one => one.name === vm)
    const entry = (await store.find(vm)) ?? (await archived()) ?? (await requireEntry(store, vm))
    if (entry.phase === 'destroyed') return { document: entry, text: formatVm(entry, new Date()) }
    const views = await viewsOf(site, entry)
    return { document: { ...entry, views }, text: formatVm(entry, new Date(), factsOf(views)) }
  },
  async extend({ store, site, signal }, args) {
    const days = args.integer('days', VM_OPTIONS.expiryDays.range)
    if (days === undefined) throw usageError(vmSpec, 'extend needs --days N')
    const vm = wordAfterVerb(vmSpec, args, 'a name')
    await requireEntry(store, vm)
    const entry = await extendVm(vm, days, { store, issuer: issuers(site, signal) })
    return { document: entry, text: `${entry.name} ${expiryText(entry)}${stillOff(entry)}` }
  },
  async import({ store, site }, args) {
    return importVms(wordAfterVerb(vmSpec, args, 'a file'), store, site)
  },
}

/** Lists destroyed VMs without those that were restored since. */
async function goneEntries(store: RegistryStore): Promise<Entry[]> {
  return stillGone(await store.listArchived(), await store.list())
}

/** @throws ProxmintError (usage) for a pool that neither the config nor a VM knows. */
async function requirePool(site: Site, pool: string | undefined, entries: Entry[]): Promise<void> {
  if (pool === undefined || entries.some(entry => entry.pool === pool)) return
  poolNamed(await site.pools(), pool)
}

/** Days alone power nothing on. */
function stillOff({ name: vm, phase, stopped }: Entry): string {
  if (phase === 'active' && stopped !== undefined)
    return `; it stays stopped until zx scripts/vm.mts start ${vm}`
  return phase === 'suspended' ? `; it stays suspended until zx scripts/vm.mts resume ${vm}` : ''
}

/** The filters of `list`. */
function matching(args: Arguments): (entry: Entry) => boolean {
  const [phase, pool] = [args.string('phase'), args.string('pool')]
  return entry => entry.phase === (phase ?? entry.phase) && entry.pool === (pool ?? entry.pool)
}
