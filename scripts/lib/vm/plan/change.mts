/** What a person asks to change of a VM that is there: its entry afterwards, and what cannot be had. Pure. */
import { nested, valueAt } from '../../config/paths.mts'
import type { CHANGE_COSTS, VmOption } from '../../config/vm-option.mts'
import { VM_OPTIONS } from '../../config/vm-options.mts'
import { expiryAfter } from '../../registry/due.mts'
import { type DataDisk, type Entry, type VmDesign, withEvent } from '../../registry/entry.mts'
import { descriptionOf } from '../../registry/identity.mts'
import type { VmWishes } from './design.mts'
import { hasAlready, hasText, isGiven, wishText } from './given.mts'

/** One change of a VM with what it costs, for a person. */
export interface ChangeLine {
  what: string
  /** Value of the VM. */
  from: string
  to: string
  costs: keyof typeof CHANGE_COSTS
  why: string
}

export interface EntryChange {
  /** As it is to be; the same object where nothing of it changes. */
  entry: Entry
  /** Options that were given, by their names in `VM_OPTIONS`. */
  asked: string[]
  /** Changes that Proxmox has no part in. */
  lines: ChangeLine[]
  /** What no change can do, with what to do instead. */
  refused: ChangeLine[]
}

type Wish = keyof VmWishes

/** Plans the change of an entry. @param now of the event in its history. */
export function planEntryChange(entry: Entry, wishes: VmWishes, now: Date): EntryChange {
  const plan: EntryChange = { entry, asked: [], lines: [], refused: [] }
  const words: string[] = []
  for (const [wish, option] of Object.entries<VmOption>(VM_OPTIONS) as [Wish, VmOption][]) {
    const given = valueAt(wishes, wish)
    if (option.names.flag === undefined || !isGiven(option, given)) continue
    plan.asked.push(wish)
    if (hasExactly(entry, wish, given)) continue
    const line = lineFor(entry, wish, option, given)
    if (line.costs === 'impossible') plan.refused.push(line)
    else {
      words.push(`${line.what} from ${line.from} to ${line.to}`)
      if (line.why !== BY_PROXMOX) plan.lines.push(line)
      plan.entry = withWish(plan.entry, entry, wish, given)
    }
  }
  if (words.length > 0) plan.entry = withEvent(plan.entry, `changed: ${words.join(', ')}`, now)
  return plan
}

/** Tags that were given are all of the VM's further tags. */
function hasExactly(entry: Entry, wish: Wish, given: unknown): boolean {
  if (wish !== 'tags') return hasAlready(entry, wish, given)
  const { design } = entry
  return design !== null && tagsWith(design, given as string[]).join() === design.tags.join()
}

/** Stands for a change whose cost follows from the VM in Proxmox. */
const BY_PROXMOX = ''

function lineFor(entry: Entry, wish: Wish, option: VmOption, given: unknown): ChangeLine {
  const line = {
    what: option.names.flag!.replaceAll('-', ' '),
    from: hasText(entry, wish) || 'none',
    to: wishText(given) || 'none',
  }
  const reason = refusalOf(entry, wish, option, given)
  if (reason !== undefined) return { ...line, costs: 'impossible', why: reason }
  if (isReadOnce(option, entry)) return { ...line, costs: 'nothing', why: READ_ONCE(entry.name) }
  if (wish === 'expiryDays' || wish === 'ownerName' || wish === 'purpose')
    return {
      ...line,
      costs: 'nothing',
      why: entry.design === null ? IN_REGISTRY : `${IN_REGISTRY}, and the notes do`,
    }
  return { ...line, costs: 'nothing', why: BY_PROXMOX }
}

const IN_REGISTRY = 'the registry has it'

const READ_ONCE = (name: string): string =>
  `cloud-init read its user-data at the first boot; the next one has it: zx scripts/vm.mts rebuild ${name}`

/** What is to be done instead, for options that decide which VM it is. */
const INSTEAD: Partial<Record<Wish, (entry: Entry) => string>> = {
  template: ({ name }) =>
    `another family is another VM; a newer version of its own: zx scripts/vm.mts rebuild ${name}`,
  templateVmid: anew,
  node: ({ vmid, node }) =>
    `Proxmox migrates a VM: on ${node}, qm migrate ${vmid} NODE --online; \`apply\` takes the node it is on`,
  pool: anew,
  address: anew,
  vmid: anew,
  owner: ({ name, token }) =>
    token?.id == null
      ? anew({ name })
      : 'the owner transfers the token on the chain; zx scripts/reconcile.mts --fix writes it down',
  resourcePool: ({ vmid }) => `Proxmox moves it: pvesh set /pools/POOL --vms ${vmid} --allow-move 1`,
  noCredential: anew,
  noLogin: anew,
  mintLater: anew,
}

function anew({ name }: Pick<Entry, 'name'>): string {
  return `it needs another VM: zx scripts/vm.mts destroy ${name}, then create it again; its disk is lost`
}

/** Whether the option needs the design, which nobody has for a VM that proxmint did not make. */
function needsDesign(wish: Wish, option: VmOption): boolean {
  return wish === 'notes' || (option.names.attribute !== undefined && option.designed !== false)
}

function refusalOf(entry: Entry, wish: Wish, option: VmOption, given: unknown): string | undefined {
  const instead = INSTEAD[wish]
  if (instead !== undefined) return instead(entry)
  const { design, name } = entry
  if (design === null && needsDesign(wish, option))
    return `proxmint did not make ${name}: change it in Proxmox, or let proxmint make another VM`
  if (wish === 'disk' && Number(given) < design!.disk) return SHRINKS
  if (wish === 'disks') return dataDiskRefusal(entry, given as DataDisk[])
  return undefined
}

/** Why the data disks cannot become these. */
function dataDiskRefusal({ vmid, design }: Entry, given: readonly DataDisk[]): string | undefined {
  const { disks = [], dataDisks = {} } = design!
  for (const { name, size, storage } of given) {
    const has = disks.find(disk => disk.name === name)
    const on = dataDisks[name]?.volume.split(':')[0]
    if (has !== undefined && size < has.size) return `${name}: ${SHRINKS}`
    if (storage !== undefined && on !== undefined && storage !== on)
      return `${name} is on ${on}, and Proxmox moves it: qm disk move ${vmid} SLOT ${storage} --delete 1`
  }
  return undefined
}

export const SHRINKS = 'a disk grows, and never shrinks'

/** Whether the VM has it by its user-data. A VM that never was made has none yet. */
function isReadOnce({ change, names }: VmOption, { phase, history }: Entry): boolean {
  const isMade = phase !== 'reserved' || history.some(({ what }) => what === 'created')
  return change === 'data' && names.attribute?.startsWith('cloudInit.') === true && isMade
}

function withWish(entry: Entry, before: Entry, wish: Wish, given: unknown): Entry {
  const own = OWN[wish]
  const changed = own === undefined ? withAttribute(entry, wish, given) : own(entry, given)
  if (!['purpose', 'ownerName', 'notes'].includes(wish)) return changed
  // Of a change that was not finished, the notes in Proxmox still are the former ones.
  const notes = before.retired?.notes ?? descriptionOf(before)
  return { ...changed, retired: { tags: [], ...changed.retired, notes } }
}

const OWN: Partial<Record<Wish, (entry: Entry, given: unknown) => Entry>> = {
  purpose: (entry, given) => {
    const { design, purpose } = entry
    const kept = design && { ...design, userDataPurpose: design.userDataPurpose ?? purpose }
    return { ...entry, purpose: String(given), design: entry.phase === 'reserved' ? design : kept }
  },
  ownerName: ({ ownerName: _, ...entry }, given) =>
    given === '' ? entry : { ...entry, ownerName: String(given) },
  expiryDays: (entry, given) => ({
    ...entry,
    expiresAt: expiryAfter(Date.parse(entry.createdAt), Number(given)),
  }),
  tags: entryWithTags,
}

function entryWithTags(entry: Entry, given: unknown): Entry {
  const design = entry.design!
  const tags = tagsWith(design, given as string[])
  const gone = [...design.tags, ...(entry.retired?.tags ?? [])].filter(tag => !tags.includes(tag))
  return { ...entry, design: { ...design, tags }, retired: { ...entry.retired, tags: [...new Set(gone)] } }
}

/** The tags of the site and of the owner stay; they are the first ones of a design. */
function tagsWith({ tags, access }: VmDesign, given: string[]): string[] {
  const own = tags.slice(0, 1 + (access === null ? 0 : 1))
  return [...new Set([...own, ...given])]
}

function withAttribute(entry: Entry, wish: Wish, given: unknown): Entry {
  const option: VmOption = VM_OPTIONS[wish]
  const { attribute = '' } = option.names
  const design = entry.design!
  if (isReadOnce(option, entry)) {
    const key = attribute.slice('cloudInit.'.length)
    const cloudInit = { ...design.atRebuild?.cloudInit, [key]: given }
    return { ...entry, design: { ...design, atRebuild: { cloudInit } } }
  }
  const { cloudInit, ...own } = nested([[attribute, given]]) as Partial<VmDesign>
  const merged = { ...design, ...own, cloudInit: { ...design.cloudInit, ...cloudInit } }
  return { ...entry, design: merged }
}

/** Design that is decided and does not fit: a phrase each. */
export function contradictions({ balloon, memory }: VmDesign): string[] {
  if (balloon === undefined || balloon <= memory) return []
  return [`the balloon leaves it ${balloon} MiB, and it would have ${memory}: give --balloon, too`]
}
