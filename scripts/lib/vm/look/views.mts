import { type Credential, readCredential } from '../../chain/credential.mts'
import { openChainView } from '../../credential/chain-view.mts'
import { mintedToken } from '../../credential/vm-token.mts'
import type { Entry } from '../../registry/entry.mts'
import { counted } from '../../run/counted.mts'
import { messageOf } from '../../run/errors.mts'
import { connect } from '../../site/connect.mts'
import type { Site } from '../../site/site.mts'
import { readLocalState, vmFolder } from './local-state.mts'
import { lookAtVm } from './locate.mts'

/** One VM as Proxmox, the state and the chain have it. `unknown` says why one of them has no answer. */
interface VmViews {
  proxmox: { node: string; status: string; differences: string[] } | { unknown: string }
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
  const { vm, differences } = await lookAtVm(await connect('token', site), entry)
  if (vm === undefined) return { unknown: `nobody has VMID ${entry.vmid}` }
  return { node: vm.node, status: vm.status, differences }
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
    ['state', 'unknown' in state ? state.unknown : counted(state.resources, 'resource')],
    ['chain', chain === null ? undefined : 'unknown' in chain ? chain.unknown : chainText(chain)],
  ]
}

function proxmoxText({ node, status, differences }: { node: string; status: string; differences: string[] }) {
  return [`${status} on ${node}`, ...differences].join(', ')
}

function chainText({ tokenId, owner, expiresAt }: Credential): string {
  const expiry = expiresAt === 0 ? 'never expires' : `expires ${new Date(expiresAt * 1000).toISOString()}`
  return `token ${tokenId} is held by ${owner}, ${expiry}`
}
