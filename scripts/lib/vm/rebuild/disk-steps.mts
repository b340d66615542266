/** Steps of a rebuild that exchange the root disk of the VM. */
import { digestOf, getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { storageOf, volumeOf } from '../../proxmox/property-string.mts'
import { reassignDisk } from '../../proxmox/reassign-disk.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import { bootIn, driveWith, settingsFor } from './plan.mts'
import { requireExchangeable } from './refusals.mts'
import { straysOf } from './sight.mts'
import { taskWait, type Work } from './work.mts'

/** Shuts the VM down and makes its root disk an unused one. */
export async function detach(work: Work): Promise<Entry> {
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

export async function move({ entry, rebuild, found, context: { connection } }: Work): Promise<Entry> {
  const { client } = connection
  const spare = { node: found.spare!.node, vmid: rebuild.spareVmid! }
  const upid = await reassignDisk(client, spare, ROOT_DISK, { vmid: entry.vmid, disk: ROOT_DISK })
  await waitForTask(client, upid, taskWait(connection))
  checkpoint('vm-rebuild-moved')
  return entry
}

/**
 * Attaches a volume that left the spare VM and reached no config: Proxmox renames it, takes it out of one config, and puts
 * it into the other last.
 */
export async function find(work: Work): Promise<Entry> {
  const { entry, rebuild, found, context } = work
  const { client } = context.connection
  const { strays = [] } = rebuild
  const lost = (await straysOf(client, found.vm, storageOf(rebuild.disk), found.config)).filter(
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
  return new ProxmintError(
    `${entry.name} has no root disk, and proxmint cannot tell which disk is its new one`,
    {
      facts: {
        'root disk of before': volumeOf(rebuild.disk),
        'volumes of the VM without a slot': lost.join(', ') || 'none',
      },
      hint: `give it the root disk of before, on ${node}: ${back}; then run the command again, or with --undo`,
    },
  )
}

/** Gives the new root disk the flags of the old one, and restores the boot order. */
export async function attach({ entry, rebuild, found, context }: Work): Promise<Entry> {
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
export async function exchange(work: Work): Promise<Entry> {
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

/** Gives the VM the root disk back that was detached from it. */
export async function restore({ entry, rebuild, found, context }: Work): Promise<Entry> {
  const { config, vm } = found
  const { disk, boot } = rebuild
  await updateVmConfig(context.connection.client, vm, {
    ...settingsFor({ disk, boot }, volumeOf(disk), config),
    ...digestOf(config),
  })
  checkpoint('vm-rebuild-restored')
  return entry
}

export async function strange({ entry, rebuild, found }: Work): Promise<Entry> {
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
