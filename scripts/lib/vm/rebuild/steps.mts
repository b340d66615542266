/** The steps of a rebuild and of an undo, by name. Each may be repeated, and ends at a checkpoint. */
import { cloneVm } from '../../proxmox/clone-vm.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { findPoolOf } from '../../proxmox/list-vms.mts'
import { gibOf } from '../../proxmox/property-string.mts'
import { reassignDisk } from '../../proxmox/reassign-disk.mts'
import { resizeDisk } from '../../proxmox/resize-disk.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import { type Entry, isToRun, type Rebuild } from '../../registry/entry.mts'
import { rebuildEnded, rebuildSwapped, spareName, spareNotes, volumeOf } from '../../registry/rebuild.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say, withProgress } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import type { VmContext } from '../context.mts'
import type { LocatedVm } from '../look/locate.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import { bootIn, withSpare } from './decide.mts'
import { driveWith, preparationOf, type RebuildStep, settingsFor } from './plan.mts'
import { requireExchangeable } from './refusals.mts'
import { type FoundRebuild, straysOf } from './sight.mts'
import { removeSpare } from './spare.mts'
import { undoOf } from './undo.mts'

/** Powers a VM off and on; given by the room above. */
export interface Power {
  /** Shuts it down gracefully, then hard after a time; it does not start with its node then. */
  shutDown(entry: Entry, vm: LocatedVm): Promise<void>
  /** Starts it with the user-data of its entry. @returns the entry with the node it is on. */
  start(entry: Entry): Promise<Entry>
  /** Compares what runs with the entry, cloud-init included. @param ranBefore its system is not new. */
  verify(entry: Entry, ranBefore: boolean): Promise<void>
}

interface Work {
  entry: Entry
  rebuild: Rebuild
  found: FoundRebuild
  context: VmContext
  power: Power
}

/** @returns the entry after the step. */
type Act = (work: Work) => Promise<Entry>

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

/** Reserves another VMID: somebody else made a VM with the one of the spare VM. */
async function renumber({ entry, rebuild, context }: Work): Promise<Entry> {
  const next = await withSpare(entry, context, (one, spareVmid) => ({
    ...one,
    rebuild: { ...one.rebuild!, spareVmid },
  }))
  const { spareVmid } = next.rebuild!
  say(`VMID ${rebuild.spareVmid} is taken in Proxmox by another VM: the spare VM gets ${spareVmid}`)
  return next
}

async function clone({ entry, rebuild, found, context: { connection, signal } }: Work): Promise<Entry> {
  const { client } = connection
  const source = rebuild.system.source!
  await withProgress(`clone ${rebuild.to} for ${entry.name}`, async () => {
    const upid = await cloneVm(client, source, {
      ...{ newid: rebuild.spareVmid!, name: spareName(entry.name), description: spareNotes(entry), full: 1 },
      storage: storageOf(rebuild),
      ...(source.node !== found.node && { target: found.node }),
      // Rights that hold in a pool alone must hold for the spare VM as well.
      pool: await findPoolOf(client, entry.vmid),
    })
    await waitForTask(client, upid, { ...waiting(connection), signal })
  })
  checkpoint('vm-rebuild-cloned')
  return entry
}

async function discard({ entry, context: { connection } }: Work): Promise<Entry> {
  await removeSpare(entry, connection)
  return entry
}

async function prepare({ entry, rebuild, found, context: { connection } }: Work): Promise<Entry> {
  const { client } = connection
  const { node, config } = found.spare!
  const spare = { node, vmid: rebuild.spareVmid! }
  const { settings, size } = preparationOf(rebuild, config)
  if (settings !== undefined) await updateVmConfig(client, spare, settings)
  if (size !== undefined) await resize(connection, spare, size)
  checkpoint('vm-rebuild-prepared')
  return entry
}

async function resize(connection: Connection, vm: VmRef, size: string): Promise<void> {
  const upid = await resizeDisk(connection.client, vm, ROOT_DISK, size)
  if (upid !== null) await waitForTask(connection.client, upid, waiting(connection))
}

/** Shuts the VM down and makes its root disk an unused one. */
async function detach(work: Work): Promise<Entry> {
  const { config, entry } = await shutDown(work)
  await updateVmConfig(work.context.connection.client, work.found.vm, {
    delete: ROOT_DISK,
    ...digestOf(config),
  })
  checkpoint('vm-rebuild-detached')
  return entry
}

/** Shuts the VM down, and writes down flags and boot order as they are then: a person may have changed them. */
async function shutDown({ entry, found, context, power }: Work): Promise<{ config: VmConfig; entry: Entry }> {
  const { client } = context.connection
  await requireExchangeable(client, entry, found)
  await power.shutDown(entry, found.vm)
  checkpoint('vm-rebuild-stopped')
  const config = await getVmConfig(client, found.vm)
  const [disk, boot] = [String(config[ROOT_DISK]), bootIn(config)]
  const { rebuild } = entry
  if (rebuild!.disk === disk && rebuild!.boot === boot) return { config, entry }
  const changed = (one: Entry): Entry => ({ ...one, rebuild: { ...one.rebuild!, disk, boot } })
  return { config, entry: await context.store.change(entry, changed) }
}

async function move({ entry, rebuild, found, context: { connection } }: Work): Promise<Entry> {
  const { client } = connection
  const spare = { node: found.spare!.node, vmid: rebuild.spareVmid! }
  const upid = await reassignDisk(client, spare, ROOT_DISK, { vmid: entry.vmid, disk: ROOT_DISK })
  await waitForTask(client, upid, waiting(connection))
  checkpoint('vm-rebuild-moved')
  return entry
}

/**
 * Attaches a volume that left the spare VM and reached no config: Proxmox renames it, takes it out of one config, and puts
 * it into the other last.
 */
async function find(work: Work): Promise<Entry> {
  const { entry, rebuild, found, context } = work
  const { client } = context.connection
  const { strays = [] } = rebuild
  const lost = (await straysOf(client, found.vm, storageOf(rebuild), found.config)).filter(
    volume => !strays.includes(volume),
  )
  const [only] = lost
  if (only === undefined || lost.length > 1) throw diskLost(work, lost)
  await updateVmConfig(client, found.vm, { [ROOT_DISK]: driveWith(only, rebuild.disk) })
  return entry
}

function diskLost({ entry, rebuild, found }: Work, lost: string[]): ProxmintError {
  const { vmid, node } = found.vm
  const back = `qm set ${vmid} --${ROOT_DISK} '${driveWith(volumeOf(rebuild.disk), rebuild.disk)}'`
  return new ProxmintError(`${entry.name} has no root disk, and its new one cannot be told`, {
    facts: {
      'root disk of before': volumeOf(rebuild.disk),
      'volumes of the VM without a slot': lost.join(', ') || 'none',
    },
    hint: `give it the one of before, on ${node}: ${back}; then run the command again, or with --undo`,
  })
}

/** Gives the new root disk the flags of the old one, and restores the boot order. */
async function attach({ entry, rebuild, found, context }: Work): Promise<Entry> {
  const { config, vm } = found
  const volume = volumeOf(String(config[ROOT_DISK]))
  await updateVmConfig(context.connection.client, vm, {
    ...settingsFor(rebuild, volume, config),
    ...digestOf(config),
  })
  checkpoint('vm-rebuild-attached')
  return entry
}

/** Puts the root disk of before into its slot: Proxmox makes the present one an unused disk. */
async function exchange(work: Work): Promise<Entry> {
  const { entry, config } =
    work.found.config[ROOT_DISK] === undefined
      ? { entry: work.entry, config: work.found.config }
      : await shutDown(work)
  const rebuild = entry.rebuild!
  await updateVmConfig(work.context.connection.client, work.found.vm, {
    ...settingsFor(rebuild, rebuild.volume!, config),
    ...digestOf(config),
  })
  checkpoint('vm-rebuild-exchanged')
  return entry
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

/** Gives the VM the root disk back that was detached from it. */
async function restore({ entry, rebuild, found, context }: Work): Promise<Entry> {
  const { config, vm } = found
  const { disk, boot } = rebuild
  await updateVmConfig(context.connection.client, vm, {
    ...settingsFor({ disk, boot }, volumeOf(disk), config),
    ...digestOf(config),
  })
  checkpoint('vm-rebuild-restored')
  return entry
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

async function strange({ entry, rebuild, found }: Work): Promise<Entry> {
  const present = volumeOf(String(found.config[ROOT_DISK]))
  throw new ProxmintError(
    `${entry.name} has a root disk that its ${rebuild.kind} does not know: ${present}`,
    {
      facts: { 'root disk of before': volumeOf(rebuild.disk), 'to come': rebuild.volume },
      hint:
        `somebody attached it in Proxmox. Detach it there and give the VM its disk of before as ${ROOT_DISK}, then run the ` +
        'command again',
      exitCode: exitCodes.invalid,
    },
  )
}

function storageOf({ disk }: Rebuild): string {
  return disk.split(':')[0]!
}

function digestOf(config: VmConfig): { digest?: string } {
  const { digest } = config
  return digest === undefined ? {} : { digest: String(digest) }
}

function waiting({ config }: Connection): { timeoutMs: number } {
  return { timeoutMs: config.taskTimeoutSeconds * 1000 }
}
