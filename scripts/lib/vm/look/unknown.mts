/** Says first that VMs of this site are in no registry here. */
import { loadCredentials } from '../../credentials/load.mts'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import type { Entry } from '../../registry/entry.mts'
import { findVmsWithoutEntry, unknownText } from '../../registry/unknown-vms.mts'
import { say } from '../../run/progress.mts'
import { clientFor } from '../../site/connect.mts'
import type { Site } from '../../site/site.mts'

/** Enough for a server that is well: `vm list` needs no Proxmox. */
const PATIENCE = { timeoutMs: 5000, retryDelays: [] }

/** Prints a warning if Proxmox has VMs with the tag of this site that no entry has. */
export async function warnOfUnknown(
  site: Pick<Site, 'config'>,
  client: ProxmoxClient,
  entries: Entry[],
): Promise<void> {
  const config = await site.config()
  const vms = await findVmsWithoutEntry(client, { entries, config })
  const text = unknownText({ vms, entries, config })
  if (text !== undefined) say(`warning: ${text}`)
}

/** Prints the same warning for a registry without VMs, if Proxmox can be asked. */
export async function warnIfEmpty(site: Pick<Site, 'config'>, entries: Entry[]): Promise<void> {
  if (entries.length > 0) return
  try {
    await warnOfUnknown(site, clientFor(await loadCredentials(), 'token', PATIENCE), entries)
  } catch {
    // A list of the registry is to be had without Proxmox.
  }
}
