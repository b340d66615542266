import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { projectRoot } from '../config/load.mts'
import { listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { type Divergence, divergencesOf, type Fix, type Views } from '../registry/divergence.mts'
import { type Entry, isVmName, stillGone, tokenKey, withEvent } from '../registry/entry.mts'
import type { RegistryStore } from '../registry/store.mts'
import { type TokenDivergence, type TokenViews, tokenDivergencesOf } from '../registry/token-divergence.mts'
import { unknownText, withoutHandClones } from '../registry/unknown-vms.mts'
import { messageOf } from '../run/errors.mts'
import { ifThere } from '../run/if-there.mts'
import { say } from '../run/progress.mts'
import type { Site } from '../site/site.mts'
import { type VmContext, withVmLock } from '../vm/context.mts'
import { powerOff } from '../vm/life/power.mts'
import { expireToken, setTokenExpiry } from '../vm/life/token.mts'
import { readLocalState, vmFolder } from '../vm/look/local-state.mts'
import { revokedVersions } from '../vm/look/outdated.mts'
import { walletTag } from '../vm/plan/design.mts'
import { entryOfFolder, removeVmFolder } from '../vm/stack/remove-folder.mts'
import { compareConfigs } from './configs.mts'
import { stateFindings } from './states.mts'
import { tokenViews } from './tokens.mts'
import { leftUserData, removeLeftFile } from './user-data.mts'

export interface ReportedDivergence extends Divergence {
  fixed: boolean
  /** Reason of a failed fix. */
  error?: string
}

export interface Reconciliation {
  findings: ReportedDivergence[]
  /** What somebody added in Proxmox, a line for each VM that has something; it stays, and is no finding. */
  added: string[]
  /** Number of tokens of living and destroyed VMs, and of those that the chain could be asked about. */
  tokens: { held: number; asked: number }
}

/**
 * Compares registry, folders, Proxmox and chain. It sends one request to Proxmox for all VMs, one for each node, one for each
 * VM, and one for each storage that destroyed VMs had user-data on.
 * @param fix repairs differences that have only one possible repair.
 */
export async function reconcile(context: VmContext, fix: boolean): Promise<Reconciliation> {
  const views = await viewsOf(context)
  const isMending = () => fix && !context.signal.aborted
  const { connection, store } = context
  const [configs, states, files] = await Promise.all([
    compareConfigs(connection.client, views.entries, views.vms),
    stateFindings(connection.site, views.entries),
    leftUserData(connection, stillGone(await store.listArchived(), views.entries), views.everyVm),
  ])
  const all = [...divergencesOf(views), ...configs.flatMap(({ findings }) => findings), ...states]
  const findings = await mendAll(all, isMending, ({ name, fix: how }) => mend(name, how, context))
  const removed = await mendAll(files, isMending, file => removeLeftFile(file, context))
  const tokens = await tokenViews(context, views.entries)
  const silent = tokens.silent.map(silentContract)
  const found = await mendAll(tokenDivergencesOf(tokens), isMending, divergence =>
    mendToken(divergence, tokens.tokens, context),
  )
  const asked = tokens.entries.filter(entry => tokens.tokens.has(tokenKey(entry))).length
  return {
    findings: [...findings, ...removed, ...silent, ...found],
    added: configs.flatMap(({ added }) => added ?? []),
    tokens: { held: tokens.entries.length, asked },
  }
}

async function mendAll<D extends Divergence>(
  divergences: D[],
  isMending: () => boolean,
  mendOne: (divergence: D) => Promise<boolean>,
): Promise<ReportedDivergence[]> {
  const findings: ReportedDivergence[] = []
  for (const divergence of divergences) {
    const { name, what, hint } = divergence
    const mended =
      isMending() && divergence.fix !== undefined ? await outcomeOf(mendOne(divergence)) : { fixed: false }
    findings.push({ name, what, hint, fix: divergence.fix, ...mended })
  }
  return findings
}

/** Outcome of a repair. A failed repair must not stop the others or the report. */
async function outcomeOf(mending: Promise<boolean>): Promise<Pick<ReportedDivergence, 'fixed' | 'error'>> {
  try {
    return { fixed: await mending }
  } catch (error) {
    return { fixed: false, error: messageOf(error) }
  }
}

function silentContract({ contract, why }: { contract: string; why: string }): ReportedDivergence {
  const hint = 'the tokens of its VMs were not checked; correct config/web3-defaults.yaml or PROXMINT_RPC_URL'
  return { name: contract, what: `the chain cannot be asked: ${why}`, hint, fix: undefined, fixed: false }
}

/** @returns the views without what a person cloned from a VM template, and with it. */
async function viewsOf({ store, connection }: VmContext): Promise<Views & { everyVm: VmSummary[] }> {
  const [entries, everyVm, places, families] = await Promise.all([
    store.list(),
    listVms(connection.client),
    connection.site.pools(),
    connection.site.families(),
  ])
  const folders = await orphanFolders(connection.site, store, entries)
  const revoked = revokedVersions(families)
  const { client, config } = connection
  const vms = await withoutHandClones(client, { entries, vms: everyVm, config })
  const text = unknownText({ entries, vms, config })
  if (text !== undefined) say(`warning: ${text}`)
  return { ...places, entries, vms, everyVm, folders, revoked, config, now: new Date() }
}

/** Reads the states of folders without an entry. Those of other folders are not read: there may be thousands. */
async function orphanFolders(site: Site, store: RegistryStore, entries: Entry[]): Promise<Views['folders']> {
  const known = new Set(entries.map(({ name }) => name))
  const names = (await ifThere(readdir(join(projectRoot(), 'vms')))) ?? []
  let archived: Promise<Entry[]> | undefined
  const readArchive = () => {
    archived ??= store.listArchived()
    return archived
  }
  const folders = names
    .filter(name => isVmName(name) && !known.has(name))
    .map(async name => [name, { holdsState: await holdsState(name, site, readArchive) }] as const)
  return new Map(await Promise.all(folders))
}

/**
 * Checks whether the state of a folder without an entry has resources; undefined if that is not known. A state that is
 * elsewhere is not read: it is empty if the folder is that of a VM that was destroyed, on another machine for example.
 */
async function holdsState(
  name: string,
  site: Site,
  readArchive: () => Promise<Entry[]>,
): Promise<boolean | undefined> {
  const state = await readLocalState(site, vmFolder(name)).catch(() => undefined)
  if (state?.kind !== 'elsewhere') return state && state.kind === 'here' && state.resources > 0
  const id = await entryOfFolder(name)
  const isDestroyed = id !== undefined && (await readArchive()).some(entry => entry.id === id)
  return isDestroyed ? false : undefined
}

/** Repairs a VM or folder, if a look under the VM's lock still finds the difference. @returns false if it does not. */
async function mend(name: string, fix: Fix | undefined, unlocked: VmContext): Promise<boolean> {
  return withVmLock(unlocked, name, 'reconcile', async context => {
    const entry = await context.store.find(name)
    if (fix === 'remove the folder') {
      const look = () => holdsState(name, context.connection.site, () => context.store.listArchived())
      if (entry !== undefined || (await look()) !== false) return false
      await removeVmFolder(name, await entryOfFolder(name), context.connection)
      return true
    }
    if (fix !== 'power it off' || entry?.phase !== 'suspended') return false
    await powerOff(entry, context)
    return true
  })
}

/** Repairs a token or its owner, if a look under the VM's lock still finds the same entry. @returns false if it does not. */
async function mendToken(
  { entry: before, fix }: TokenDivergence,
  tokens: TokenViews['tokens'],
  unlocked: VmContext,
): Promise<boolean> {
  if (before.phase === 'destroyed') {
    return (await expireToken(before, unlocked.issuer))?.status === 'expired'
  }
  return withVmLock(unlocked, before.name, 'reconcile', async ({ store, issuer }) => {
    const entry = await store.find(before.name)
    if (entry?.id !== before.id) return false
    if (fix === 'tell the chain') await setTokenExpiry(entry, issuer)
    else await store.change(entry, one => transferred(one, tokens.get(tokenKey(before))!.owner))
    return true
  })
}

/** Entry with its new owner. The next `apply` changes the tag of the VM in Proxmox. */
function transferred(entry: Entry, owner: string): Entry {
  const design = entry.design!
  const tags = design.tags.map(tag => (tag.startsWith('wallet-') ? walletTag(owner) : tag))
  const moved = { ...entry, owner, design: { ...design, tags } }
  return withEvent(moved, `transferred to ${owner}`, new Date())
}
