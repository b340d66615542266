/** The first boot of a VM. The caller holds the VM's lock. */
import { requireOwnToken } from '../../credential/vm-token.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { withProgress } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import { requireNoLock } from '../look/barriers.mts'
import { followVm, type LocatedVm, recordNode, requireMarked, requireThere } from '../look/locate.mts'
import { converge } from '../stack/converge.mts'
import { requireDesign } from '../stack/folder.mts'
import { powerOn, verify } from './power.mts'

const USER_DATA_ANEW = { started: false, intent: 'update', step: 'token', scope: 'user-data' } as const

/**
 * Starts a VM that was just made and compares what runs then with the entry. The VM has its whole configuration already,
 * so Terraform only brings user-data that could not be whole before. A VM that runs was started by a run that died: it is
 * only verified.
 */
export async function bootVm(before: Entry, context: VmContext): Promise<undefined> {
  requireOwnToken(before)
  const { vm: found, entry } = await followVm(context.connection, before, requireMarked)
  const vm = requireThere(before, found)
  requireNoLock(before.name, vm)
  if (vm.status !== 'running') {
    if (isToBeWritten(before)) await converge(before, USER_DATA_ANEW, context)
    checkpoint('vm-boot-planned')
    await start(entry, vm, context.connection)
    checkpoint('vm-boot-applied')
  }
  await recordNode(before, vm, context.store)
  await withProgress(`verify ${entry.name}`, progress => verify(entry, false, context, progress))
  checkpoint('vm-verified')
}

/** User-data names the token, and a seed ISO the MAC addresses of the cards. Both are known only now. */
function isToBeWritten({ token, design }: Entry): boolean {
  return token !== null || design?.cloudInit.delivery === 'iso'
}

/** Starts a VM, which then also starts with its node. */
async function start(entry: Entry, vm: LocatedVm, connection: Connection): Promise<void> {
  if (requireDesign(entry).onBoot !== false) await updateVmConfig(connection.client, vm, { onboot: 1 })
  await powerOn(connection, vm)
}
