/** The steps of a rebuild and of an undo, by name. Each may be repeated, and ends at a checkpoint. */
import { gibOf, volumeOf } from '../../proxmox/property-string.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import { type Entry, isToRun } from '../../registry/entry.mts'
import { rebuildEnded, rebuildSwapped } from '../../registry/rebuild.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { say } from '../../run/progress.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import { attach, detach, exchange, find, move, restore, strange } from './disk-steps.mts'
import { type RebuildStep, settingsFor } from './plan.mts'
import { removeSpare } from './spare.mts'
import { clone, discard, prepare, renumber } from './spare-steps.mts'
import { undoOf } from './undo.mts'
import type { Act, Work } from './work.mts'

export const STEPS: Record<Exclude<RebuildStep, 'finish'>, Act> = {
  renumber,
  clone,
  discard,
  prepare,
  detach,
  move,
  find,
  attach,
  exchange,
  record,
  restore,
  'give-up': giveUp,
  turn,
  strange,
}

/** Writes down that the VM has its other root disk. */
async function record({ entry, found, context: { store, connection } }: Work): Promise<Entry> {
  const { rollbackDays } = await connection.site.pools()
  const size = Math.floor(gibOf(String(found.config[ROOT_DISK])) ?? entry.design!.disk)
  const before = entry.design!.disk
  if (entry.rebuild!.kind === 'rebuild' && size > before) {
    say(`the disk of ${entry.name} grows from ${before} to ${size} GiB, as large as that of the VM template`)
  }
  const swapped = await store.change(entry, one => rebuildSwapped(one, size, rollbackDays, new Date()))
  checkpoint('vm-rebuild-swapped')
  return swapped
}

/** Ends a rebuild that changed nothing of the VM. */
async function giveUp({ entry, rebuild, found, context, power }: Work): Promise<Entry> {
  const { connection, store } = context
  const { disk, boot } = rebuild
  const settings = settingsFor({ disk, boot }, volumeOf(disk), found.config)
  if (Object.keys(settings).length > 0) await updateVmConfig(connection.client, found.vm, settings)
  if (isToRun(entry) && found.vm.status !== 'running') {
    const { rebuild: _, ...whole } = entry
    await power.verify(await power.start(whole), true)
  }
  await removeSpare(entry, connection)
  const ended = await store.change(entry, one =>
    rebuildEnded(one, `rebuild given up, ${rebuild.from} stays`, new Date()),
  )
  checkpoint('vm-rebuild-given-up')
  return ended
}

/** Turns a rebuild that is recorded into an undo. */
async function turn({ entry, found, context: { store } }: Work): Promise<Entry> {
  const undo = undoOf(entry, found.config)
  const turned = await store.change(entry, one => ({ ...one, rebuild: undo }))
  checkpoint('vm-rebuild-turned')
  return turned
}
