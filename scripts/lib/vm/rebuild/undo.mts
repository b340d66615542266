/** Decides about an undo: the VM gets the root disk that it had before. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import type { Entry, Rebuild } from '../../registry/entry.mts'
import { rebuildBegun } from '../../registry/rebuild.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { VmContext } from '../context.mts'
import { requireRestored } from '../look/barriers.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import { bootIn, unusedSlotOf } from './plan.mts'
import { requireExchangeable, requireNotSuspended } from './refusals.mts'
import { lookAtRebuild } from './sight.mts'

/**
 * Writes down that a VM is to get its root disk of before. A rebuild that is not finished is to be taken back.
 * @throws ProxmintError where there is none, or it cannot be attached; nothing is touched then.
 */
export async function decideUndo(before: Entry, context: VmContext): Promise<Entry> {
  const { store, connection } = context
  const { rebuild, name, previous } = before
  if (rebuild !== undefined) {
    if (rebuild.kind === 'undo' || rebuild.back) return before
    return store.change(before, one => ({ ...one, rebuild: { ...one.rebuild!, back: true } }))
  }
  requireRestored(before)
  requireNotSuspended(before)
  if (previous === undefined) throw nothingKept(name)
  const { vm, config, entry } = await lookAtRebuild(connection, before)
  await requireExchangeable(connection.client, entry, { vm, config })
  const begun = await store.change(before, one =>
    rebuildBegun({ ...one, node: vm.node }, undoOf(entry, config), new Date()),
  )
  checkpoint('vm-undo-decided')
  return begun
}

/**
 * The undo of a VM as it is now.
 * @throws ProxmintError (invalid) if the root disk of before is not an unused disk of the VM any more.
 */
export function undoOf(entry: Entry, config: VmConfig): Rebuild {
  const { previous, rebuild, template } = entry
  if (previous === undefined || unusedSlotOf(config, previous.volume) === undefined) throw diskGone(entry)
  const { spareVmid, older } = rebuild ?? {}
  return {
    ...{ kind: 'undo', from: template?.version ?? 'unknown', to: previous.version },
    ...{ disk: String(config[ROOT_DISK]), boot: bootIn(config) },
    ...{ volume: previous.volume, system: previous.system },
    ...(spareVmid !== undefined && { spareVmid }),
    ...(older !== undefined && { older }),
  }
}

function nothingKept(name: string): ProxmintError {
  return new ProxmintError(`${name} has no root disk from before a rebuild`, {
    hint: `it was not rebuilt, or gc removed the disk after rollback_days of config/db.yaml: zx scripts/vm.mts show ${name}`,
    exitCode: exitCodes.usage,
  })
}

function diskGone({ name, vmid, previous }: Entry): ProxmintError {
  return new ProxmintError(
    `the root disk of ${name} from before is not an unused disk of VM ${vmid} any more`,
    {
      facts: { volume: previous?.volume },
      hint: 'nothing was changed; somebody attached, moved or deleted it in Proxmox',
      exitCode: exitCodes.invalid,
    },
  )
}
