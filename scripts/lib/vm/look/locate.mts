import { setTimeout as sleep } from 'node:timers/promises'
import { getVmConfig } from '../../proxmox/get-vm-config.mts'
import { findVmStatus, type VmStatus } from '../../proxmox/get-vm-status.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { listVms } from '../../proxmox/list-vms.mts'
import type { Entry } from '../../registry/entry.mts'
import { differencesFrom } from '../../registry/identity.mts'
import { ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'

export interface LocatedVm {
  /** Where it is now: somebody may have migrated it. */
  node: string
  vmid: number
  status: VmStatus['status']
}

/** What Proxmox has under the VMID of an entry. */
export interface Finding {
  /** Undefined only where Proxmox confirms that nobody has the VMID. */
  vm: LocatedVm | undefined
  /** Why it is not the entry's; empty where it is. */
  differences: string[]
}

/**
 * The VM of an entry, held against VMID, name, entry id and, once it is made, the tag of the site.
 * @returns undefined only where Proxmox confirms that nobody has the VMID.
 * @throws ProxmintError where the VM is not the entry's, or cannot be seen.
 */
export async function locateVm(connection: Connection, entry: Entry): Promise<LocatedVm | undefined> {
  const { vm, differences } = await lookAtVm(connection, entry)
  if (differences.length > 0) throw foreign(entry, differences)
  return vm
}

/** The same where another VM is no failure. @throws ProxmintError where it cannot be seen. */
export async function lookAtVm(connection: Connection, entry: Entry): Promise<Finding> {
  const { client, config } = connection
  const seen = (await listVms(client)).find(vm => vm.vmid === entry.vmid)
  if (seen === undefined) {
    if (await isVmidFree(client, entry.vmid)) return { vm: undefined, differences: [] }
    throw notSeen(entry)
  }
  const vm = { node: seen.node, vmid: entry.vmid }
  const status = await settled(connection, vm)
  if (status === undefined) return { vm: undefined, differences: [] }
  // Terraform sets the tags only after the clone.
  const site = entry.phase === 'reserved' ? undefined : `proxmint-${config.site}`
  const differences = differencesFrom(entry, await getVmConfig(client, vm), site)
  return { vm: { ...vm, status: status.status }, differences }
}

/** Proxmox finishes a clone also when nobody waits for it; before, the VM has no name yet. */
async function settled(
  { client, config }: Connection,
  vm: { node: string; vmid: number },
): Promise<VmStatus | undefined> {
  const deadline = Date.now() + config.taskTimeoutSeconds * 1000
  for (;;) {
    const status = await findVmStatus(client, vm)
    if (status?.lock !== 'clone' || Date.now() > deadline) return status
    await sleep(1000)
  }
}

function notSeen({ name, vmid, node }: Entry): ProxmintError {
  return new ProxmintError(
    `VMID ${vmid} of ${name} is taken in Proxmox, and the API token may not see by what`,
    {
      facts: { node: node ?? undefined },
      hint: 'nothing was changed; `zx scripts/check-permissions.mts` tells what the token lacks',
    },
  )
}

function foreign({ name, vmid }: Entry, differences: string[]): ProxmintError {
  return new ProxmintError(`VM ${vmid} is not ${name}: ${differences.join(', ')}; it is left alone`, {
    hint:
      'somebody changed it in Proxmox, or it is another VM; mend its name, notes and tags, or see ' +
      '`zx scripts/reconcile.mts`',
  })
}
