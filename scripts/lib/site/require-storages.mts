import type { ProxmoxClient } from '../proxmox/client.mts'
import { listStorages, type StorageSummary } from '../proxmox/list-storages.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'

/** Storage that the work needs. */
export interface WantedStorage {
  storage: string
  /** Required content types, by Proxmox's names. */
  contents: string[]
  /** Name of the setting, for hints. */
  setBy: string
}

/** @throws ProxmintError (invalid) For the first storage that is missing or does not allow a required content. */
export async function requireStorages(
  client: ProxmoxClient,
  node: string,
  wanted: WantedStorage[],
): Promise<void> {
  const [fault] = storageFaults(client, node, wanted, await listStorages(client, node))
  if (fault !== undefined) throw fault
}

/** Checks the wanted storages. @param storages Visible storages of the node. @returns An error per fault. */
export function storageFaults(
  client: Pick<ProxmoxClient, 'identity'>,
  node: string,
  wanted: WantedStorage[],
  storages: StorageSummary[],
): ProxmintError[] {
  return wanted.flatMap(one => {
    const found = storages.find(({ storage }) => storage === one.storage)
    return found === undefined ? [noStorage(client, node, one, storages)] : contentFaults(found, one.contents)
  })
}

function noStorage(
  { identity }: Pick<ProxmoxClient, 'identity'>,
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

function contentFaults({ storage, content }: StorageSummary, contents: string[]): ProxmintError[] {
  const lacking = contents.filter(wanted => !content.split(',').includes(wanted))
  if (lacking.length === 0) return []
  const message = `storage ${storage} does not allow the content ${lacking.join(' and ')}`
  const hint = `as root on a node: pvesm set ${storage} --content ${[content, ...lacking].join(',')}`
  return [new ProxmintError(message, { facts: { allows: content }, hint, exitCode: exitCodes.invalid })]
}
