/** What a trial will make, decided before anything is made. */
import type { Address, AddressRange } from '../config/addresses.mts'
import { formatAddress } from '../config/addresses.mts'
import type { ImageConfig } from '../config/load.mts'
import type { Pool } from '../config/pools.mts'
import type { StorageSummary } from '../proxmox/list-storages.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'

/** How user-data reaches a VM, and the storage that takes it. */
export interface Delivery {
  kind: 'snippet' | 'iso'
  storage: string
}

/** The base VM that the trial builds from. */
type TrialBase =
  /** One that is there already, and stays. */
  | { kind: 'found'; name: string; vmid: number }
  /** One of the trial's own. `image`: its name in the config of the trial. `release`: variable of the Packer template. */
  | { kind: 'imported'; image: string; release: string; source: ImageConfig }

/** Everything that a trial makes carries its id. */
export interface TrialPlan {
  /** Six hexadecimal digits. */
  id: string
  node: string
  /** First of `VMIDS` VMIDs. */
  firstVmid: number
  base: TrialBase
  diskStorage: string
  imageStorage: string
  /** Pool of addresses, with the one address that the VMs of the trial have one after another. */
  addresses: { pool: string; address: string }
  deliveries: Delivery[]
  bridges: string[]
  /** Left out: a trial of an older version planned it. */
  sizes?: Sizes
  /** Name of a resource pool for the VM templates; undefined if none is made. */
  resourcePool: string | undefined
  /** Sentences: what is not tried, and why. */
  leftOut: string[]
}

/** What is known before a plan is made. */
export interface TrialFacts {
  id: string
  node: string
  diskStorage: string
  imageStorage: string
  storages: StorageSummary[]
  /** VMIDs of guests, and of disks on the storage of disks, as far as the identity sees them. */
  vmids: number[]
  /** VMIDs that the user's config gives out. */
  ownRanges: [number, number][]
  /** Default: the first block that is free. */
  firstVmid: number | undefined
  /** Name of the image in the user's config: `debian-12`. */
  image: string
  source: ImageConfig | undefined
  /** Base VM of that image on the node. */
  base: { name: string; vmid: number } | undefined
  /** Import an image although a base VM is there. */
  importAnyway: boolean
  pool: Pool
  /** Addresses that somebody has, in canonical notation. */
  takenAddresses: ReadonlySet<string>
  /** Storage of the user's VMs for user-data. */
  userDataStorage: string
  hasNodeSsh: boolean
  mayMakePools: boolean
  /** Whether an image can be deleted again. */
  mayDeleteImages: boolean
  /** Bridges of its VMs. */
  bridges: string[]
  sizes: Sizes
  /** Whether the Packer template can be put into a resource pool: it names none itself. */
  templateTakesPool: boolean
}

/** Sizes of what a trial makes. */
interface Sizes {
  /** Memory of the VM templates, which their test clones have, too. */
  templateMemoryMib: number
  /** Disk of the base VM; undefined where its image is not there yet. */
  baseDiskGib: number | undefined
  vmDiskGib: number
}

/** Memory of the trial's VMs, in MiB: at first, and as somebody changes it. */
export const VM_MEMORY_MIB = 1024
export const CHANGED_MEMORY_MIB = VM_MEMORY_MIB + 256
/** Memory of the second version, in MiB. */
export const SECOND_MEMORY_MIB = 1536

/** VMIDs of one trial: for VM templates and their tests, for the base VM, and for VMs, ten each. */
const VMIDS = 30
const FIRST_BLOCK = 99_000
const LAST_VMID = 999_999_999

/** The tag of the trial's site names it in Proxmox. */
export function siteOf({ id }: Pick<TrialPlan, 'id'>): string {
  return `trial-${id}`
}

/** First and last VMID for one purpose. */
export function vmidsFor({ firstVmid }: TrialPlan, purpose: 'templates' | 'base' | 'vms'): [number, number] {
  const first = firstVmid + { templates: 0, base: 10, vms: 20 }[purpose]
  return [first, first + 9]
}

/** Decides what a trial makes. @throws ProxmintError (invalid) If it cannot be tried at all. */
export function planTrial(facts: TrialFacts): TrialPlan {
  const { id, node, diskStorage, imageStorage, pool, bridges } = facts
  const [deliveries, leftOut] = deliveriesOf(facts)
  const withPool = facts.mayMakePools && facts.templateTakesPool
  return {
    id,
    node,
    firstVmid: blockOf(facts),
    base: baseOf(facts),
    diskStorage,
    imageStorage,
    addresses: { pool: pool.name, address: freeAddress(pool, facts.takenAddresses) },
    deliveries,
    bridges,
    sizes: facts.sizes,
    resourcePool: withPool ? `proxmint-trial-${id}` : undefined,
    leftOut: withPool ? leftOut : [...leftOut, poolLeftOut(facts)],
  }
}

function poolLeftOut({ mayMakePools }: TrialFacts): string {
  const why = mayMakePools ? 'packer/debian names a pool itself' : 'the API token lacks Pool.Allocate'
  return `a resource pool of its own: ${why}`
}

function baseOf(facts: TrialFacts): TrialBase {
  const { id, image, source, base, importAnyway } = facts
  if (base !== undefined && !importAnyway) return { kind: 'found', ...base }
  if (source !== undefined) {
    if (!facts.mayDeleteImages) throw imageWouldStay(facts)
    const release = releaseFor(image, id)
    return { kind: 'imported', image: `debian-${release}`, release, source }
  }
  throw new ProxmintError(`config/proxmint.yaml has no image ${image}, which packer/debian is built from`, {
    hint: `add it under \`images\`, as the config/proxmint.yaml of proxmint has it`,
    exitCode: exitCodes.invalid,
  })
}

function imageWouldStay({ image, imageStorage }: TrialFacts): ProxmintError {
  return new ProxmintError(
    `the image of a trial could not be deleted again: the API token lacks Datastore.Allocate on /storage/${imageStorage}`,
    {
      hint: `give it that privilege, or a base VM to build from: zx scripts/base.mts import ${image}`,
      exitCode: exitCodes.denied,
    },
  )
}

/** Value of `debian_release` that names a base VM of the trial's own. */
export function releaseFor(image: string, id: string): string {
  return `${image.replace(/^debian-/, '')}-trial-${id}`
}

/** @throws ProxmintError (usage) if somebody has one of the VMIDs that were asked for. */
function blockOf(facts: TrialFacts): number {
  const { firstVmid } = facts
  if (firstVmid === undefined) return freeBlock(facts)
  const taken = takenFrom(firstVmid, facts)
  if (taken.length === 0) return firstVmid
  throw new ProxmintError(
    `a trial needs the VMIDs ${firstVmid} to ${firstVmid + VMIDS - 1}, and of these a guest or a disk has ${taken.join(', ')}`,
    { hint: 'give another --vmids, or none', exitCode: exitCodes.usage },
  )
}

function takenFrom(first: number, { vmids }: TrialFacts): number[] {
  const taken = vmids.filter(vmid => vmid >= first && vmid < first + VMIDS)
  return [...new Set(taken)].sort((a, b) => a - b)
}

/** Finds VMIDs that nobody has and that the user's config does not give out. */
function freeBlock(facts: TrialFacts): number {
  for (let first = FIRST_BLOCK; first + VMIDS <= LAST_VMID; first += 100) {
    const last = first + VMIDS - 1
    const isOwn = facts.ownRanges.some(([from, to]) => to >= first && from <= last)
    if (!isOwn && takenFrom(first, facts).length === 0) return first
  }
  throw new ProxmintError(`no ${VMIDS} VMIDs in a row are free`, { hint: 'name the first with --vmids' })
}

/** The last free one: VMs get the first ones. @throws ProxmintError If every address is taken. */
function freeAddress({ name, range, reserved }: Pool, taken: ReadonlySet<string>): string {
  for (const address of addressesFromTheEnd(range)) {
    const text = formatAddress(address)
    if (!taken.has(text) && !reserved.has(text)) return text
  }
  throw new ProxmintError(`every address of the pool ${name} is taken`, {
    hint: 'a trial needs one: widen the pool in config/db.yaml, or destroy a VM that is not needed',
  })
}

function* addressesFromTheEnd({ family, first, last }: AddressRange): Generator<Address> {
  for (let value = last; value >= first; value--) yield { family, value }
}

function deliveriesOf({ storages, userDataStorage, hasNodeSsh }: TrialFacts): [Delivery[], string[]] {
  const leftOut: string[] = []
  const storageFor = (content: string): string | undefined => {
    const able = storages.filter(one => one.active !== 0 && one.content.split(',').includes(content))
    return (able.find(({ storage }) => storage === userDataStorage) ?? able[0])?.storage
  }
  const [snippets, isos] = [storageFor('snippets'), storageFor('iso')]
  const deliveries: Delivery[] = []
  if (!hasNodeSsh) leftOut.push('user-data as a snippet: the credentials have no SSH login to the node')
  else if (snippets === undefined)
    leftOut.push('user-data as a snippet: no storage of the node allows snippets')
  else deliveries.push({ kind: 'snippet', storage: snippets })
  if (isos === undefined) leftOut.push('user-data as an ISO: no storage of the node allows ISO images')
  else deliveries.push({ kind: 'iso', storage: isos })
  if (deliveries.length === 0) throw noDelivery(leftOut)
  return [deliveries, leftOut]
}

function noDelivery(leftOut: string[]): ProxmintError {
  return new ProxmintError(`no VM can be made here: ${leftOut.join('; ')}`, {
    hint: 'let one storage take ISO images: in Proxmox, Datacenter > Storage > Edit > Content',
    exitCode: exitCodes.invalid,
  })
}

/** Lines of what the trial takes at most, at one time. */
function amountsOf({ base, sizes }: TrialPlan): string[] {
  if (sizes === undefined) return []
  const { templateMemoryMib, baseDiskGib, vmDiskGib } = sizes
  // Two test clones run at once, and later the VM beside the build of the second version.
  const memory = Math.max(2 * templateMemoryMib, CHANGED_MEMORY_MIB + SECOND_MEMORY_MIB)
  // The test has a VM template and two clones, the rebuild two VM templates and a VM.
  const count = base.kind === 'found' ? 3 : 4
  const size = baseDiskGib === undefined ? 'the size of the image' : `${baseDiskGib} GiB`
  return [
    `- at one time at most ${count} VMs and VM templates, of which two run, with ${memory} MiB of memory together`,
    `- a disk for each of them: the VM has ${vmDiskGib} GiB, the others have ${size}, and one test clone has 1 GiB more`,
  ]
}

/** Lines for a person who is asked whether to begin. */
export function describePlan(plan: TrialPlan): string[] {
  const { id, node, firstVmid, base, diskStorage, imageStorage, addresses, deliveries, resourcePool } = plan
  const { bridges } = plan
  const ways = deliveries.map(
    ({ kind, storage }) => `${kind === 'iso' ? 'an ISO' : 'a snippet'} on ${storage}`,
  )
  return [
    `This trial makes the following on the node ${node}, and removes all of it at its end:`,
    base.kind === 'found'
      ? `- no base VM: it builds from ${base.name}, VM ${base.vmid}, which is there and stays`
      : `- a base VM of the image ${base.source.url ?? base.source.file}, which is put on ${imageStorage}`,
    `- two VM templates of the base VM, one after another; the first is tested on two clones, which boot`,
    `- ${deliveries.length === 1 ? 'one VM' : 'two VMs, one after another'} with the address ${addresses.address} (pool ${addresses.pool}); user-data: ${ways.join(', then ')}`,
    ...amountsOf(plan),
    ...(resourcePool === undefined ? [] : [`- the resource pool ${resourcePool}, for the VM templates`]),
    `- VMIDs ${firstVmid} to ${firstVmid + VMIDS - 1}; disks on ${diskStorage}; network cards on ${bridges.join(' and ')}; tag proxmint-${siteOf({ id })}`,
    ...(plan.leftOut.length === 0 ? [] : ['It does not try:', ...plan.leftOut.map(line => `- ${line}`)]),
    'Your config, registry, lockfile and VMs are not changed. Proxmox keeps the tasks in its log.',
  ]
}
