import type { ProxmoxClient } from '../proxmox/client.mts'
import { listStorages, type StorageSummary } from '../proxmox/list-storages.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'

/** A storage that work needs. */
export interface WantedStorage {
  storage: string
  /** Content types it must allow, as Proxmox names them. */
  contents: string[]
  /** Where its name is set, for a person. */
  setBy: string
}

/** @throws ProxmintError (invalid) for a storage the node has not, or that does not allow what is to go on it. */
export async function requireStorages(
  client: ProxmoxClient,
  node: string,
  wanted: WantedStorage[],
): Promise<void> {
  const storages = await listStorages(client, node)
  for (const one of wanted) {
    const found = storages.find(({ storage }) => storage === one.storage)
    if (found === undefined) throw noStorage(client, node, one, storages)
    requireContents(found, one.contents)
  }
}

function noStorage(
  { identity }: ProxmoxClient,
  node: string,
  { storage, setBy }: WantedStorage,
  visible: StorageSummary[],
): ProxmintError {
  return new ProxmintError(`node ${node} has no storage ${storage} that ${identity} can see`, {
    facts: { visible: visible.map(candidate => candidate.storage).join(', ') || 'none' },
    hint: `correct ${setBy}, or give the identity Datastore.Audit on /storage/${storage}`,
    exitCode: exitCodes.invalid,
  })
}

function requireContents({ storage, content }: StorageSummary, contents: string[]): void {
  const lacking = contents.filter(wanted => !content.split(',').includes(wanted))
  if (lacking.length === 0) return
  throw new ProxmintError(`storage ${storage} does not allow the content ${lacking.join(' and ')}`, {
    facts: { allows: content },
    hint: `as root on a node: pvesm set ${storage} --content ${[content, ...lacking].join(',')}`,
    exitCode: exitCodes.invalid,
  })
}
