/** Removes all that a trial made, by what was written down. Only what carries the id of the trial is touched. */
import { setTimeout as sleep } from 'node:timers/promises'
import { baseName } from '../build/base/description.mts'
import { removeAllVersions } from '../channels/prune.mts'
import { siteTagOf } from '../config/site-tag.mts'
import { deletePool } from '../proxmox/delete-pool.mts'
import { deleteVm } from '../proxmox/delete-vm.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listVmPlaces, listVms } from '../proxmox/list-vms.mts'
import { listVolumes } from '../proxmox/list-volumes.mts'
import { listRunningTasks, stopTask } from '../proxmox/running-tasks.mts'
import { tagsIn } from '../proxmox/tags.mts'
import { waitForTask } from '../proxmox/task.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { messageOf } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import { type Connection, cleaningOf } from '../site/connect.mts'
import { withRegistry } from '../site/open-registry.mts'
import { removeLeftovers, removeVolume } from '../site/remove-leftovers.mts'
import { listReservations } from '../templates/reservations.mts'
import { type Running, runUnlocked } from './command.mts'
import { siteOf, type TrialPlan, vmidsFor } from './plan.mts'
import type { TrialRecord } from './record.mts'

/** Proxmox may show the VM of a running clone only after two minutes. */
const SETTLE_MS = 150_000

/**
 * Removes VMs, VM templates, the base VM, volumes and the resource pool. A part that fails does not keep the others.
 * The trial's project is entered.
 * @returns Sentences about what is left; none if all is gone.
 */
export async function removeTrial(running: Running, connection: Connection): Promise<string[]> {
  const { plan } = running.record
  const parts: [name: string, remove: () => Promise<string[]>][] = [
    ['vms', () => removeVms(running, connection)],
    ['reserved', () => removeReserved(connection)],
    ['templates', () => removeTemplates(connection)],
    ['base', () => removeBase(connection, plan)],
    ['image', () => removeImage(connection, plan)],
    ['pool', () => removePool(connection, running.record)],
    ['all', () => whatIsLeft(connection, plan)],
  ]
  const left: string[] = []
  for (const [part, remove] of parts) {
    left.push(...(await remove().catch(error => [messageOf(error).split('\n')[0]!])))
    checkpoint(`trial-${part}-removed`)
  }
  return left
}

/** Destroys every VM of the trial's registry by the command, which compares VMID, name, id and tag. */
async function removeVms(running: Running, { site }: Connection): Promise<string[]> {
  const entries = await withRegistry(site, 'trial', store => store.list())
  const left: string[] = []
  for (const { name } of entries) {
    const destroyed = runUnlocked(running, ['vm', 'destroy', name, '--yes'])
    left.push(...(await destroyed.then(() => []).catch(error => [`${name}: ${messageOf(error)}`])))
  }
  return left
}

/** Removes what killed builds and imports had reserved. */
async function removeReserved(connection: Connection): Promise<string[]> {
  const deadline = Date.now() + SETTLE_MS
  const told = new Set<string>()
  for (;;) {
    for (const sentence of await removeLeftovers(cleaningOf(connection))) {
      if (!told.has(sentence)) say(`  ${sentence}`)
      told.add(sentence)
    }
    const reservations = await listReservations(connection.config.stateDir)
    if (reservations.length === 0) return []
    if (Date.now() > deadline)
      return reservations.map(({ vmid }) => `VM ${vmid} is reserved, and not there yet`)
    await sleep(2000)
  }
}

async function removeTemplates(connection: Connection): Promise<string[]> {
  const { removed, kept, foreign } = await removeAllVersions(connection)
  for (const { version, vmids } of removed) {
    say(`  removed ${[version, ...vmids.map(vmid => `VM ${vmid}`)].join(', ')}`)
  }
  return [...kept.map(({ version, reason }) => `${version}: ${reason}`), ...foreign]
}

/** Deletes the base VM that the trial imported. Its reservation is dropped by then; its name has the id of the trial. */
async function removeBase(connection: Connection, plan: TrialPlan): Promise<string[]> {
  const { client, config } = connection
  const { base } = plan
  if (base.kind === 'found') return []
  const [first, last] = vmidsFor(plan, 'base')
  for (const vm of await listVmPlaces(client)) {
    if (vm.vmid < first || vm.vmid > last) continue
    const { name, tags } = await getVmConfig(client, vm)
    if (name !== baseName(base.image) || !tagsIn(String(tags ?? '')).includes(siteTagOf(config))) continue
    await waitForTask(client, await deleteVm(client, vm), { timeoutMs: config.taskTimeoutSeconds * 1000 })
    say(`  removed ${name}, VM ${vm.vmid}`)
  }
  return []
}

/** Ends the download of a killed import, and deletes the image, whose name has the id of the trial. */
async function removeImage(
  connection: Connection,
  { base, imageStorage, node }: TrialPlan,
): Promise<string[]> {
  if (base.kind === 'found') return []
  const { client, config } = connection
  const prefix = `proxmint-${base.image}-`
  for (const task of await listRunningTasks(client, node, 'download')) {
    if (!task.id.startsWith(prefix)) continue
    await stopTask(client, node, task.upid)
    await waitForTask(client, task.upid, { timeoutMs: config.taskTimeoutSeconds * 1000 }).catch(
      () => undefined,
    )
  }
  for (const { volid } of await listVolumes(client, { node, storage: imageStorage }, 'import')) {
    if (!volid.startsWith(`${imageStorage}:import/${prefix}`)) continue
    await removeVolume(cleaningOf(connection), node, volid)
    say(`  removed ${volid}`)
  }
  return []
}

/** Deletes the pool that the trial made. One of this name that was there before is somebody's. */
export async function removePool(
  { client }: Pick<Connection, 'client'>,
  { plan: { resourcePool }, pool }: Pick<TrialRecord, 'plan' | 'pool'>,
): Promise<string[]> {
  // Whoever may delete a pool need not see it.
  if (resourcePool !== undefined && pool === 'ours' && (await deletePool(client, resourcePool)))
    say(`  removed the pool ${resourcePool}`)
  return []
}

/** Looks for anything that carries the mark of the trial. */
async function whatIsLeft({ client }: Connection, plan: TrialPlan): Promise<string[]> {
  const { id, node, imageStorage, deliveries } = plan
  const tag = `proxmint-${siteOf(plan)}`
  const vms = (await listVms(client)).filter(({ tags = '' }) => tagsIn(tags).includes(tag))
  const places = [
    [imageStorage, 'import'],
    [imageStorage, 'iso'],
    ...deliveries.map(({ kind, storage }) => [storage, kind === 'iso' ? 'iso' : 'snippets']),
  ] as [string, string][]
  const lists = await Promise.all(
    places.map(([storage, content]) => listVolumes(client, { node, storage }, content)),
  )
  const volids = new Set(lists.flat().map(({ volid }) => volid))
  return [
    ...vms.map(({ vmid, name }) => `VM ${vmid} (${name ?? 'no name yet'})`),
    ...[...volids].filter(volid => volid.includes(`trial-${id}`)),
  ]
}
