/** Another VM in Proxmox that has the VMID of an entry: another site or a person was faster. */
import { listVmPlaces } from '../../proxmox/list-vms.mts'
import { type Entry, wasActive } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'
import { lookAtVm } from '../look/locate.mts'
import { removeUserData } from './destroy.mts'

/**
 * Looks, after a VM could not be made, whether another VM has its VMID, and reserves another VMID then. The other VM is
 * not touched.
 * @returns the new entry; undefined if no other VM has the VMID, or Proxmox cannot be asked.
 * @throws ProxmintError (usage) if a person chose the VMID.
 */
export async function reservedElsewhere(name: string, context: VmContext): Promise<Entry | undefined> {
  const { store, connection, signal } = context
  const entry = await store.find(name)
  if (signal.aborted || entry === undefined || entry.phase !== 'reserved') return undefined
  const sight = await lookAtVm(connection, entry).catch(() => undefined)
  if (sight?.isForeign !== true) return undefined
  if (entry.vmidPicked !== true || wasActive(entry)) throw taken(entry)
  const limits = { ...(await connection.site.pools()), takenVmids: await vmidsIn(context), now: new Date() }
  // The file has the id of this entry in its name. A run that was killed may have made it and left no state of it.
  await removeUserData(connection, entry)
  const next = await store.renumber(entry, limits)
  say(`VMID ${entry.vmid} of ${name} is taken in Proxmox by another VM: ${name} gets ${next.vmid}`)
  return next
}

async function vmidsIn({ connection }: VmContext): Promise<Set<number>> {
  return new Set((await listVmPlaces(connection.client)).map(({ vmid }) => vmid))
}

function taken({ name, vmid, address }: Entry): ProxmintError {
  return new ProxmintError(
    `VMID ${vmid} of ${name} is taken in Proxmox by another VM, which was not touched`,
    {
      hint:
        `\`zx scripts/vm.mts destroy ${name}\` gives up the entry and ${address}, and leaves the other VM alone; then ` +
        'create it again, with another --vmid or without',
      exitCode: exitCodes.usage,
    },
  )
}
