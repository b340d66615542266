import { type Credential, readCredential } from '../../chain/credential.mts'
import { type Firmware, firmwareWords } from '../../config/firmware.mts'
import { openChainView } from '../../credential/chain-view.mts'
import { mintedToken } from '../../credential/vm-token.mts'
import { listSnapshots } from '../../proxmox/list-snapshots.mts'
import type { Entry } from '../../registry/entry.mts'
import { counted } from '../../run/counted.mts'
import { messageOf } from '../../run/errors.mts'
import { connect } from '../../site/connect.mts'
import { firmwareOf } from '../../site/firmware.mts'
import type { Site } from '../../site/site.mts'
import { type Difference, differenceText, driftOf } from './drift.mts'
import { readLocalState, vmFolder } from './local-state.mts'
import { lookAtVm } from './locate.mts'
import { knownPartsOf, type Part, partNames, partsOf } from './parts.mts'

interface ProxmoxView {
  node: string
  status: string
  firmware: Firmware
  /** Why it is not the VM of the entry, a phrase each. */
  differences: string[]
  /** What differs of what proxmint manages. */
  drift: Difference[]
  /** Devices and disks that somebody added in Proxmox. */
  foreign: Part[]
  /** Names of its snapshots: proxmint takes none. */
  snapshots: string[]
  protected: boolean
  /** The lock while Proxmox works on it; null if there is none. */
  lock: string | null
}

/** One VM as Proxmox, the state and the chain have it. `unknown` says why one of them has no answer. */
interface VmViews {
  proxmox: ProxmoxView | { unknown: string }
  state: { resources: number } | { unknown: string }
  /** Null for a VM without a token. */
  chain: Credential | { unknown: string } | null
}

/** Asks Proxmox, the state and the chain, each on its own: the others answer where one cannot be reached. */
export async function viewsOf(site: Site, entry: Entry): Promise<VmViews> {
  const [proxmox, state, chain] = await Promise.all([
    orUnknown(proxmoxView(site, entry)),
    orUnknown(stateView(site, entry)),
    orUnknown(chainView(site, entry)),
  ])
  return { proxmox, state, chain }
}

async function orUnknown<T>(view: Promise<T>): Promise<T | { unknown: string }> {
  return view.catch(error => ({ unknown: messageOf(error) }))
}

async function proxmoxView(site: Site, entry: Entry): Promise<VmViews['proxmox']> {
  const connection = await connect('token', site)
  const { vm, differences, config } = await lookAtVm(connection, entry)
  if (vm === undefined || config === undefined) return { unknown: `nobody has VMID ${entry.vmid}` }
  const isOurs = differences.length === 0
  const { foreignDevices, foreignDisks, isProtected, lock } = partsOf(config, knownPartsOf(entry))
  return {
    node: vm.node,
    status: vm.status,
    firmware: firmwareOf(config),
    differences,
    drift: isOurs ? driftOf(entry, config) : [],
    foreign: isOurs && entry.design !== null ? [...foreignDisks, ...foreignDevices] : [],
    snapshots: isOurs ? await listSnapshots(connection.client, vm) : [],
    protected: isProtected,
    lock: lock ?? null,
  }
}

async function stateView(site: Site, { name }: Entry): Promise<VmViews['state']> {
  const state = await readLocalState(site, vmFolder(name))
  if (state.kind === 'here') return { resources: state.resources }
  if (state.kind === 'none') return { unknown: 'there is none yet' }
  return { unknown: `it is in the backend ${state.backend}: tofu -chdir=vms/${name} state list` }
}

async function chainView(site: Site, entry: Entry): Promise<VmViews['chain']> {
  const token = mintedToken(entry)
  if (token === undefined) return null
  const { rpc, target } = await openChainView(site, token.place)
  return readCredential(rpc, target.contract, token.id)
}

/** Formats the views as facts. */
export function factsOf({ proxmox, state, chain }: VmViews): [string, string | undefined][] {
  return [
    ['Proxmox', 'unknown' in proxmox ? proxmox.unknown : proxmoxText(proxmox)],
    ['firmware', 'unknown' in proxmox ? undefined : firmwareWords(proxmox.firmware)],
    ['differs', 'unknown' in proxmox ? undefined : listOf(proxmox.drift.map(differenceText))],
    ['foreign', 'unknown' in proxmox ? undefined : partNames(proxmox.foreign) || undefined],
    ['snapshots', 'unknown' in proxmox ? undefined : proxmox.snapshots.join(', ') || undefined],
    ['state', 'unknown' in state ? state.unknown : counted(state.resources, 'resource')],
    ['chain', chain === null ? undefined : 'unknown' in chain ? chain.unknown : chainText(chain)],
  ]
}

function proxmoxText(view: ProxmoxView): string {
  const states = [view.protected && 'protected', view.lock !== null && `locked by ${view.lock}`]
  return [`${view.status} on ${view.node}`, ...view.differences, ...states.filter(Boolean)].join(', ')
}

function listOf(texts: string[]): string | undefined {
  return texts.length === 0 ? undefined : texts.join('\n')
}

function chainText({ tokenId, owner, expiresAt }: Credential): string {
  const expiry = expiresAt === 0 ? 'never expires' : `expires ${new Date(expiresAt * 1000).toISOString()}`
  return `token ${tokenId} is held by ${owner}, ${expiry}`
}
