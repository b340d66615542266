/** Makes a change that is written down: edits the VM, and takes the entry back if Proxmox refuses. */
import { ProxmoxApiError } from '../../proxmox/errors.mts'
import { getVmConfig } from '../../proxmox/get-vm-config.mts'
import { type Entry, withEvent } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { messageOf, ProxmintError } from '../../run/errors.mts'
import { withProgress } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'
import type { Edit } from '../shape/edit.mts'
import { recordAttached } from '../stack/record-size.mts'
import { reshape } from '../stack/reshape.mts'
import type { FoundVm } from './change-edits.mts'
import { verifyAddress } from './power.mts'

/**
 * Changes the VM. Where Proxmox refuses and the VM is as it was, the entry is as before, too. After a reboot the VM must have
 * its address.
 */
export async function makeEdits(
  before: Entry,
  written: Entry,
  { edits, found }: { edits: Edit[]; found: FoundVm },
  context: VmContext,
): Promise<void> {
  if (edits.length === 0) return
  await editOrTakeBack(before, written, { edits, found }, context)
  checkpoint('vm-change-made')
  if (found.running === undefined || !edits.some(({ change }) => change.cost === 'reboot')) return
  // A seed ISO has new addresses only after the next `apply`.
  const isIso = written.design?.cloudInit.delivery === 'iso'
  const { addresses = [] } = isIso ? before : written
  const entry = { ...written, addresses, node: found.vm.node }
  await withProgress(`verify ${written.name}`, () => verifyAddress(entry, context))
}

async function editOrTakeBack(
  before: Entry,
  written: Entry,
  { edits, found: { vm, config, running } }: { edits: Edit[]; found: FoundVm },
  { connection, store }: VmContext,
): Promise<void> {
  const { client, config: settings } = connection
  const timeoutMs = settings.taskTimeoutSeconds * 1000
  try {
    await reshape(client, vm, edits, { config, runs: running !== undefined, timeoutMs })
  } catch (error) {
    const now =
      error instanceof ProxmoxApiError ? await getVmConfig(client, vm).catch(() => undefined) : undefined
    if (now === undefined || now['digest'] !== config['digest'] || written === before)
      throw resumableBy(written, error)
    await store.change(written, one => takenBack(one, before, messageOf(error)))
    throw error
  }
}

function takenBack(now: Entry, before: Entry, why: string): Entry {
  const { design, purpose, expiresAt, addresses } = before
  const { ownerName: _, retired: __, addresses: ___, ...kept } = now
  const back = {
    ...kept,
    ...{ design, purpose, expiresAt },
    ...(addresses && { addresses }),
    ...(before.ownerName !== undefined && { ownerName: before.ownerName }),
    ...(before.retired !== undefined && { retired: before.retired }),
  }
  return withEvent(back, `taken back, since Proxmox refused it: ${why}`, new Date())
}

/** Writes down which disks and devices the VM got. */
export function recordMade(
  written: Entry,
  edits: readonly Edit[],
  { vm }: FoundVm,
  { connection, store }: VmContext,
): Promise<Entry> | Entry {
  if (edits.length === 0) return written
  return recordAttached({ ...written, node: vm.node }, connection.client, store)
}

function resumableBy({ name }: Entry, error: unknown): unknown {
  if (!(error instanceof ProxmintError)) return error
  const again = `the change is in the registry; to finish it: zx scripts/apply.mts ${name}`
  return new ProxmintError(error.message, {
    facts: error.facts,
    hint: error.hint === undefined ? again : `${error.hint}\n${again}`,
    cause: error,
    exitCode: error.exitCode,
  })
}
