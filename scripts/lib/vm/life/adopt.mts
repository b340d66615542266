/** Takes up VMs that this site has in Proxmox and the registry does not have. */
import { readAccessData, readCredential } from '../../chain/credential.mts'
import { openChainView } from '../../credential/chain-view.mts'
import { getGuestAddresses } from '../../proxmox/get-guest-addresses.mts'
import { getVmConfig } from '../../proxmox/get-vm-config.mts'
import type { VmSummary } from '../../proxmox/list-vms.mts'
import { type Entry, withEvent } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { findVmsWithoutEntry } from '../../registry/unknown-vms.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import { withRow } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { followVm, requireMarked, requireThere } from '../look/locate.mts'
import { accessDesign } from '../plan/access.mts'
import {
  type Adopting,
  type Adoption,
  completed,
  planAdoption,
  type ReadToken,
  type SiteVm,
  wasAdopted,
} from '../plan/adopt.mts'
import type { VmWishes } from '../plan/design.mts'
import { givenDifferences } from '../plan/given.mts'
import { takeUpState } from '../stack/take-up.mts'

export interface AdoptRequest {
  /** Empty: all that the registry does not have. */
  names: string[]
  wishes: VmWishes
  /** Decimal token id of the wallet among the wishes. */
  tokenId: string | undefined
  /** Writes the entries and the states; otherwise nothing is written. */
  apply: boolean
}

export interface Adopted extends Adoption {
  name: string
  did: 'planned' | 'adopted' | 'refused'
  /** Why the state could not be taken up. The entry is in the registry all the same. */
  stateFault?: string
  /** What a later `apply` would change, for a person. */
  plan?: string
}

/**
 * Adopts VMs: entries in one commit, all or none, then the state of each by import. A VM that the registry has already gets
 * its state, and what nobody knew of it when it was adopted. No VM in Proxmox is changed.
 * @throws ProxmintError (usage) for an unknown name, for an option that the entry of a VM in the registry does not have, and
 *   if entries conflict with each other or with the registry.
 */
export async function adoptVms(request: AdoptRequest, context: VmContext): Promise<Adopted[]> {
  const { store, connection } = context
  const entries = await store.list()
  const { vms, known } = await chosen(request.names, entries, context)
  for (const entry of known) if (!wasAdopted(entry)) requireNothingGiven(entry, request)
  const adopting = await adoptingOf(request, connection)
  const complete = await completionsOf(known, request, adopting, connection)
  const seen = await Promise.all(vms.map(vm => lookAtSiteVm(vm, connection)))
  const planned = withoutCopies(
    seen.map(vm => ({ name: nameOf(vm), ...planAdoption(vm, adopting) })),
    entries,
  )
  const found = planned.flatMap(({ entry }) => entry ?? [])
  const knownThen = known.map(entry => complete(entry))
  if (!request.apply) return [...planned.map(withOutcome('planned')), ...knownThen.map(knownAs('planned'))]
  if (found.length > 0) await store.add(found, [])
  for (const [index, entry] of known.entries()) {
    if (knownThen[index] !== entry) await store.change(entry, one => noted(complete(one)))
  }
  const adopted = [...planned.map(withOutcome('adopted')), ...knownThen.map(knownAs('adopted'))]
  const results: Adopted[] = []
  for (const one of adopted) results.push(await withState(one, context))
  return results
}

function withOutcome(did: 'planned' | 'adopted') {
  return (one: Adoption & { name: string }): Adopted => ({
    ...one,
    did: one.entry === undefined ? 'refused' : did,
  })
}

/** A VM that the registry has already: its state alone is taken up. */
function knownAs(did: 'planned' | 'adopted') {
  return (entry: Entry): Adopted => ({
    ...{ name: entry.name, vmid: entry.vmid, entry },
    ...{ faults: [], assumed: [], did },
  })
}

/** @throws ProxmintError (usage) for a name that neither Proxmox nor the registry has. */
async function chosen(
  names: string[],
  entries: Entry[],
  { store, checks }: VmContext,
): Promise<{ vms: VmSummary[]; known: Entry[] }> {
  const { client, config } = checks
  const unknown = await findVmsWithoutEntry(client, { entries, config })
  if (names.length === 0) return { vms: unknown, known: [] }
  const vms = unknown.filter(({ name }) => names.includes(name ?? ''))
  const others = names.filter(name => !vms.some(vm => vm.name === name))
  return { vms, known: await Promise.all(others.map(name => requireEntry(store, name))) }
}

/**
 * Plans what the options tell of VMs that the registry has already.
 * @returns a function that completes an entry; the same entry if nothing is to be completed.
 */
async function completionsOf(
  known: Entry[],
  request: AdoptRequest,
  adopting: Adopting,
  connection: Connection,
): Promise<(entry: Entry) => Entry> {
  const planned = new Map<string, Entry>()
  for (const entry of known) {
    if (isAllThere(entry, request)) continue
    const { vm, config } = await followVm(connection, entry, requireMarked)
    const there = requireThere(entry, vm)
    // The address is known; nothing else of the VM's own is asked for.
    const wishes = { ...adopting.wishes, address: entry.address }
    const adoption = planAdoption({ ...there, config: config!, addresses: [] }, { ...adopting, wishes })
    if (adoption.entry === undefined) throw notCompleted(entry, adoption.faults)
    requireNothingGiven(completed(entry, adoption.entry), request)
    planned.set(entry.id, adoption.entry)
  }
  return entry => {
    const found = planned.get(entry.id)
    return found === undefined ? entry : completed(entry, found)
  }
}

function notCompleted({ name, vmid }: Entry, faults: string[]): ProxmintError {
  return new ProxmintError(`the entry of ${name} cannot be completed from VM ${vmid}: ${faults.join('; ')}`, {
    hint: 'nothing was changed; mend that in Proxmox or in the options, then run the command again',
    exitCode: exitCodes.invalid,
  })
}

function isAllThere(entry: Entry, { wishes, tokenId }: AdoptRequest): boolean {
  return (
    givenDifferences(entry, wishes).length === 0 && (tokenId === undefined || entry.token?.id === tokenId)
  )
}

const noted = (entry: Entry): Entry => withEvent(entry, 'adoption completed', new Date())

/** Options complete an entry that was adopted, and change nothing else of it. @throws ProxmintError (usage) that names each option. */
function requireNothingGiven(entry: Entry, { wishes, tokenId }: AdoptRequest): void {
  const flags = givenDifferences(entry, wishes).map(({ flag }) => flag)
  if (tokenId !== undefined && entry.token?.id !== tokenId) flags.push('token-id')
  if (flags.length === 0) return
  throw new ProxmintError(
    `${entry.name} is in the registry already, without this: ${flags.map(flag => `--${flag}`).join(', ')}`,
    {
      hint: `nothing was changed; options only tell what nobody knew of an adopted VM: --template, --owner-wallet with --token-id. To read its state alone: zx scripts/vm.mts adopt ${entry.name} --apply; \`vm extend\` moves its expiry`,
      exitCode: exitCodes.usage,
    },
  )
}

async function adoptingOf(request: AdoptRequest, { site }: Connection): Promise<Adopting> {
  const [pools, defaults, ownSshKey] = await Promise.all([site.pools(), site.vmDefaults(), site.ownSshKey()])
  const token = await tokenOf(request, site)
  return { wishes: request.wishes, token, pools, defaults, ownSshKey, now: new Date() }
}

/** Reads the token that a person named. @throws ProxmintError if the contract does not have it, or another owner does. */
async function tokenOf(
  { names, wishes, tokenId }: AdoptRequest,
  site: Connection['site'],
): Promise<ReadToken | undefined> {
  if (tokenId === undefined) return undefined
  const access = await accessDesign(site, names[0]!, wishes)
  const { rpc, target } = await openChainView(site)
  const { owner, expiresAt } = await readCredential(rpc, target.contract, tokenId)
  const { userEncrypted, decryptMessage } = await readAccessData(rpc, target.contract, tokenId)
  return {
    ...{ id: tokenId, owner },
    expiresAt: expiresAt === 0 ? null : new Date(expiresAt * 1000).toISOString(),
    access: { ...access!, userEncrypted, decryptMessage },
  }
}

/** Reads a VM: its config, and the addresses that its guest agent tells. */
export async function lookAtSiteVm(
  { vmid, node, status }: VmSummary,
  { client }: Connection,
): Promise<SiteVm> {
  const vm = { vmid, node }
  const config = await getVmConfig(client, vm)
  // Without an answer of the agent a person names the address.
  const interfaces =
    status === 'running' ? await getGuestAddresses(client, vm).catch(() => undefined) : undefined
  const addresses = (interfaces ?? []).flatMap(one => one.addresses.map(text => text.split('/')[0]!))
  return { ...vm, status, config, addresses }
}

function nameOf({ config, vmid }: SiteVm): string {
  return String(config['name'] ?? vmid)
}

/** Refuses VMs with one id: somebody cloned a VM in Proxmox, notes included. */
function withoutCopies<A extends Adoption>(adoptions: A[], entries: Entry[]): A[] {
  const vmidsById = Map.groupBy(
    [...entries, ...adoptions.flatMap(({ entry }) => entry ?? [])],
    ({ id }) => id,
  )
  return adoptions.map(one => {
    const sharing = vmidsById.get(one.entry?.id ?? '') ?? []
    if (sharing.length < 2) return one
    const others = sharing.filter(({ vmid }) => vmid !== one.vmid).map(({ vmid }) => vmid)
    const fault = `its notes have the id of VM ${others.join(' and ')}, too: one is a copy; take the id out of its notes`
    return { ...one, entry: undefined, faults: [fault], assumed: [] }
  })
}

async function withState(one: Adopted, context: VmContext): Promise<Adopted> {
  if (one.entry === undefined || one.entry.design === null) return one
  try {
    const plan = await withRow(one.name, () => takeUpState(one.name, context))
    return plan === undefined ? one : { ...one, plan }
  } catch (error) {
    return { ...one, stateFault: messageOf(error) }
  }
}
