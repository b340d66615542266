import { VM_OPTIONS } from '../../config/vm-options.mts'
import { issuers } from '../../credential/issuer.mts'
import { type Entry, isGivenUp } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import type { RegistryStore } from '../../registry/store.mts'
import type { Answer } from '../../run/answer.mts'
import { ask } from '../../run/ask.mts'
import { type Arguments, usageError, wordAfterVerb } from '../../run/command-line.mts'
import { exitCodes, interrupted, ProxmintError } from '../../run/errors.mts'
import { withRow } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { withRegistry } from '../../site/open-registry.mts'
import { openSite, type Site } from '../../site/site.mts'
import { agreedTo } from '../allow.mts'
import type { VmContext } from '../context.mts'
import { formatVm, formatVms } from '../look/list.mts'
import { lookAtVm } from '../look/locate.mts'
import { describeLosses } from '../look/losses.mts'
import { formatOutdated, outdatedIn } from '../look/outdated.mts'
import { warnIfEmpty, warnOfUnknown } from '../look/unknown.mts'
import { factsOf, viewsOf } from '../look/views.mts'
import { openContext, withVmRegistry } from '../open.mts'
import { poolNamed } from '../plan/draft.mts'
import { answerForMock, mockCreate } from '../plan/mock.mts'
import { draftVms } from '../plan/preview.mts'
import { wantedVms } from '../plan/wishes.mts'
import { adoptCommand } from './adopt-command.mts'
import type { Applied } from './apply.mts'
import { answerFor, inParallel } from './apply-many.mts'
import { provisionVm } from './create.mts'
import { destroyVm } from './destroy.mts'
import { extendVm, resumeVm } from './expiry.mts'
import { importVms } from './import.mts'
import { listForTool } from './list-for-tool.mts'
import { loginLines, withLogins } from './logins.mts'
import { rebuildVm, versionFor } from './rebuild.mts'

const name = 'vm'
const dayRange = VM_OPTIONS.expiryDays.range

type Verb = (work: Work, args: Arguments) => Promise<Answer>

/** What a verb works with. */
interface Work {
  store: RegistryStore
  site: Site
  signal: AbortSignal
}

/** Those that change nothing but the registry. */
const byVerb: Record<string, Verb> = {
  async list({ store, site }, args) {
    const isGone = args.string('phase') === 'destroyed'
    const all = await (isGone ? store.listArchived() : store.list())
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
    const vm = wordAfterVerb({ name }, args, 'a name')
    const archived = async () => (await store.listArchived()).findLast(one => one.name === vm)
    const entry = (await store.find(vm)) ?? (await archived()) ?? (await requireEntry(store, vm))
    if (entry.phase === 'destroyed') return { document: entry, text: formatVm(entry, new Date()) }
    const views = await viewsOf(site, entry)
    return { document: { ...entry, views }, text: formatVm(entry, new Date(), factsOf(views)) }
  },
  async extend({ store, site, signal }, args) {
    const days = args.integer('days', dayRange)
    if (days === undefined) throw usageError({ name }, 'extend needs --days N')
    const vm = wordAfterVerb({ name }, args, 'a name')
    await requireEntry(store, vm)
    const entry = await extendVm(vm, days, { store, issuer: issuers(site, signal) })
    return { document: entry, text: `${entry.name} ${expiryText(entry)}${stillOff(entry)}` }
  },
  async import({ store, site }, args) {
    return importVms(wordAfterVerb({ name }, args, 'a file'), store, site)
  },
}

/** Those that work on the VMs themselves. */
const onVms: Record<string, Verb> = {
  async create({ store, site, signal }, args) {
    const wanted = await wantedVms(args)
    const parallel = args.integer('parallel', { min: 1, max: 100 })!
    const drafts = await draftVms(wanted, site, store)
    if (drafts.faults.length === wanted.size) return answerFor(drafts.faults)
    const userSignature = args.string('user-signature')
    if (userSignature !== undefined && wanted.size > 1) {
      throw usageError({ name }, '--user-signature is for one VM')
    }
    const options = { apply: args.flag('apply'), rollback: args.flag('rollback'), userSignature }
    const context = await openContext(store, site, signal)
    await warnOfUnknown(site, context.checks.client, await store.list())
    const create = (vm: string) =>
      provisionVm(vm, () => drafts.of(vm), { ...options, wishes: wanted.get(vm)! }, context)
    const [only] = wanted.keys()
    if (wanted.size === 1) return answerForOne(await create(only!), site)
    const work = (vm: string) => withRow(vm, () => create(vm))
    const outcomes = await inParallel([...wanted.keys()], parallel, signal, work)
    return withLogins(answerFor(outcomes), outcomes, site)
  },
  async adopt({ store, site, signal }, args) {
    return adoptCommand(args, await openContext(store, site, signal))
  },
  async resume({ store, site, signal }, args) {
    const days = args.integer('days', dayRange)
    const vm = wordAfterVerb({ name }, args, 'a name')
    await requireEntry(store, vm)
    const entry = await resumeVm(vm, days, await openContext(store, site, signal))
    return { document: entry, text: `${vm} is active again, and ${expiryText(entry)}` }
  },
  async rebuild({ store, site, signal }, args) {
    const vm = wordAfterVerb({ name }, args, 'a name')
    const entry = await requireEntry(store, vm)
    const version = versionFor(entry, await site.families())
    if (version !== undefined) requireSomebodyToAsk(vm, 'rebuild', args)
    const context = { ...(await openContext(store, site, signal)), allowed: agreedTo(name, args) }
    if (version !== undefined) await confirm(entry, 'rebuild', args, context)
    const rebuilt = await rebuildVm(vm, { noLogin: args.flag('no-login') }, context)
    const { template } = rebuilt.entry
    const did = rebuilt.did === 'nothing' ? 'is already made' : 'is now made'
    const text = `${vm} ${did} from ${template!.version}, the current version`
    return { document: rebuilt.entry, text: [text, ...(await loginLines(rebuilt, site))].join('\n') }
  },
  async destroy({ store, site, signal }, args) {
    const vm = wordAfterVerb({ name }, args, 'a name')
    const found = await requireLiving(store, vm)
    requireSomebodyToAsk(vm, 'destroy', args)
    const context = { ...(await openContext(store, site, signal)), allowed: agreedTo(name, args) }
    await confirm(found, 'destroy', args, context)
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

/** `expires 2026-12-22T09:00:00.000Z`, or `never expires`. */
function expiryText({ expiresAt }: Entry): string {
  return expiresAt === null ? 'never expires' : `expires ${expiresAt}`
}

function destroyedText(entry: Entry): string {
  const { name: vm, vmid, address } = entry
  if (!isGivenUp(entry)) return `${vm} is destroyed; VMID ${vmid} and ${address} are free`
  return `${vm} is given up, and ${address} is free; VMID ${vmid} belongs to another VM, which was left alone`
}

/** Runs one verb. */
export async function vmCommand(args: Arguments, signal: AbortSignal): Promise<Answer> {
  const { verb } = args
  if (args.flag('mock')) return mockVms(args)
  const purpose = ['vm', ...args.positionals].join(' ')
  const site = openSite()
  const run = onVms[verb]
  if (run !== undefined) return withVmRegistry(site, purpose, store => run({ store, site, signal }, args))
  return withRegistry(site, purpose, store => byVerb[verb]!({ store, site, signal }, args))
}

/** `--mock`: what would be made, without asking Proxmox. */
async function mockVms(args: Arguments): Promise<Answer> {
  const wanted = await wantedVms(args)
  const site = openSite()
  return withRegistry(site, 'vm create --mock', async store =>
    answerForMock(await mockCreate(wanted, site, store), store),
  )
}

async function answerForOne({ entry, did }: Applied, site: Site): Promise<Answer> {
  const text = formatVm(entry, new Date())
  if (did !== 'reserved') {
    const login = await loginLines({ entry, did }, site)
    return { document: entry, text: [text, login.join('\n')].filter(Boolean).join('\n\n') }
  }
  const next = `${entry.name} is reserved, and its configuration is written. To make it: zx scripts/apply.mts ${entry.name}`
  return { document: entry, text: `${text}\n\n${next}` }
}

/** @throws ProxmintError (usage) for a pool that neither the config nor a VM knows. */
async function requirePool(site: Site, pool: string | undefined, entries: Entry[]): Promise<void> {
  if (pool === undefined || entries.some(entry => entry.pool === pool)) return
  poolNamed(await site.pools(), pool)
}

/** Days alone power nothing on. */
function stillOff({ name: vm, phase }: Entry): string {
  return phase === 'suspended' ? `; it stays suspended until zx scripts/vm.mts resume ${vm}` : ''
}

/** The filters of `list`. */
function matching(args: Arguments): (entry: Entry) => boolean {
  const [phase, pool] = [args.string('phase'), args.string('pool')]
  return entry => entry.phase === (phase ?? entry.phase) && entry.pool === (pool ?? entry.pool)
}

/** A person types the name; a script says --yes. */
async function confirm(
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
function requireSomebodyToAsk(vm: string, verb: string, args: Arguments): void {
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
