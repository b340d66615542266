import type { ProxmoxClient } from '../proxmox/client.mts'
import { listStorages, type StorageSummary } from '../proxmox/list-storages.mts'
import { canHold } from '../proxmox/storage-types.mts'
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
    if (found === undefined) return [noStorage(client, node, one, storages)]
    return found.enabled === 0 ? [notEnabled(node, one)] : contentFaults(found, one, storages)
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

/** Proxmox also lists storages that are disabled, or that belong to other nodes only. */
function notEnabled(node: string, { storage, setBy }: WantedStorage): ProxmintError {
  return new ProxmintError(`storage ${storage} is disabled, or is not for node ${node}`, {
    // Not `pvesm set --nodes`: it would take the storage away from its other nodes.
    hint: `correct ${setBy}, or in Proxmox, Datacenter > Storage > ${storage} > Edit: enable it, and add ${node} to its nodes`,
    exitCode: exitCodes.invalid,
  })
}

function contentFaults(
  found: StorageSummary,
  { contents, setBy }: WantedStorage,
  storages: StorageSummary[],
): ProxmintError[] {
  const { storage, type, content } = found
  const lacking = contents.filter(wanted => !allows(found, [wanted]))
  if (lacking.length === 0) return []
  const message = `storage ${storage} does not allow the content ${lacking.join(' and ')}`
  const facts = { type, allows: content }
  const hint = canHold(type, lacking)
    ? `as root on a node: ${allowLine(found, lacking)}`
    : `a storage of type ${type} cannot hold it: ${otherStorage(contents, setBy, storages)}`
  return [new ProxmintError(message, { facts, hint, exitCode: exitCodes.invalid })]
}

function allows({ content }: StorageSummary, contents: string[]): boolean {
  return contents.every(wanted => content.split(',').includes(wanted))
}

function allowLine({ storage, content }: StorageSummary, contents: string[]): string {
  return `pvesm set ${storage} --content ${[...new Set([...content.split(','), ...contents])].join(',')}`
}

/** Names a visible storage that holds the content, or can, or says how to add one. */
function otherStorage(contents: string[], setBy: string, storages: StorageSummary[]): string {
  const able = storages.filter(({ type }) => canHold(type, contents))
  const ready = able.find(one => allows(one, contents))
  if (ready !== undefined) return `name ${ready.storage} in ${setBy}`
  const [first] = able
  if (first !== undefined)
    return `name ${first.storage} in ${setBy}, and as root on a node: ${allowLine(first, contents)}`
  return `add one that can, as root on a node: pvesm add dir NAME --path /PATH --content ${contents.join(',')}; then name it in ${setBy}`
}
