/** Decides about a rebuild: all that can be looked at is looked at before anything changes. */
import { checkPermissions, requireGranted } from '../../permissions/check.mts'
import { type CardPlace, type NewVmPlace, rebuildNeeds } from '../../permissions/needs.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { listStorages } from '../../proxmox/list-storages.mts'
import { findPoolOf, listVmPlaces } from '../../proxmox/list-vms.mts'
import { gibOf, storageOf } from '../../proxmox/property-string.mts'
import { bootDiskOf, networksOf } from '../../proxmox/vm-devices.mts'
import {
  type ClonedDesign,
  designAtRebuild,
  type Entry,
  type Rebuild,
  type System,
} from '../../registry/entry.mts'
import { rebuildBegun, systemOf } from '../../registry/rebuild.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { requireStorages } from '../../site/require-storages.mts'
import { zoneOfBridge } from '../../site/zone-of-bridge.mts'
import type { TemplateVersion } from '../../templates/version.mts'
import type { VmContext } from '../context.mts'
import { requireWebPackage } from '../plan/access.mts'
import { copyFor } from '../plan/design.mts'
import { keysOfToday, requireLogin, sayOwnKey, withSshKeys } from '../plan/logins.mts'
import { diskOfTemplate, requireClonable } from '../plan/requirements.mts'
import { ROOT_DISK } from '../shape/root-disk.mts'
import { requireDesign } from '../stack/folder.mts'
import { bootIn, newCpuType, rootOf } from './plan.mts'
import { requireExchangeable } from './refusals.mts'
import { lookAtRebuild, straysOf } from './sight.mts'

/**
 * Writes down that a VM is to be rebuilt, with the VMID of a spare VM that nobody else gets.
 * @throws ProxmintError where that would fail; nothing is touched then.
 */
export async function decideRebuild(
  before: Entry,
  version: TemplateVersion,
  noLogin: boolean,
  context: VmContext,
): Promise<Entry> {
  const { connection } = context
  const { name } = before
  const { vm, config, entry } = await lookAtRebuild(connection, before)
  await requireExchangeable(connection.client, entry, { vm, config })
  requireOlderAgreed(entry, new Date(), context)
  const source = copyFor(version, vm.node)
  const template = await requireLikeness(connection, entry, config, source)
  await requirePlace(connection, entry, config, source, template)
  if (requireDesign(entry).access !== null) {
    await requireWebPackage({ family: entry.template!.family, version: version.name })
  }
  const system = await systemFor(entry, version, source, noLogin, connection)
  const cpu = newCpuType(entry, config, (await connection.site.vmDefaults()).cpuType)
  const strays = await straysOf(connection.client, vm, storageOf(rootOf(config)!), config)
  const rebuild: Rebuild = {
    ...{ kind: 'rebuild', from: entry.template!.version, to: version.name },
    ...{ disk: String(config[ROOT_DISK]), boot: bootIn(config), system },
    ...(cpu !== undefined && { cpuType: cpu }),
    ...(entry.previous !== undefined && { older: entry.previous.volume }),
    ...(strays.length > 0 && { strays }),
  }
  const begun = await withSpare(before, context, (one, spareVmid) =>
    rebuildBegun({ ...one, node: vm.node }, { ...rebuild, spareVmid }, new Date()),
  )
  say(`${name}: VM ${begun.rebuild!.spareVmid} is reserved for the clone of ${version.name}`)
  checkpoint('vm-rebuild-decided')
  return begun
}

/** Reserves a VMID for a spare VM that is free in Proxmox, too. */
export async function withSpare(
  read: Entry,
  { store, connection }: VmContext,
  revise: (entry: Entry, spareVmid: number) => Entry,
): Promise<Entry> {
  const { client, site } = connection
  const { vmidRange } = await site.pools()
  const takenVmids = new Set((await listVmPlaces(client)).map(({ vmid }) => vmid))
  for (;;) {
    const entry = await store.reserveSpare(read, { vmidRange, takenVmids, now: new Date() }, revise)
    const { spareVmid } = entry.rebuild!
    // Somebody took it meanwhile, or the API token may not see the VM that has it.
    if (await isVmidFree(client, spareVmid!)) return entry
    takenVmids.add(spareVmid!)
  }
}

/** The system that the VM is to have. @throws ProxmintError (invalid) if nobody could log in to it. */
async function systemFor(
  entry: Entry,
  version: TemplateVersion,
  source: { vmid: number; node: string },
  noLogin: boolean,
  { site }: Connection,
): Promise<System> {
  const kept = { ...designAtRebuild(requireDesign(entry)), ...(noLogin && { noLogin }) }
  const { keys, file } = await keysOfToday(kept, site)
  if (file !== undefined) sayOwnKey([entry.name], file)
  const design = withSshKeys(kept, keys)
  await requireLogin(entry, design, site)
  const { number = 0 } = systemOf(entry)
  return {
    ...{ template: { family: entry.template!.family, version: version.name } },
    ...{ source: { vmid: source.vmid, node: source.node }, cloudInit: design.cloudInit },
    ...(kept.noLogin && { noLogin: true as const }),
    // An undo went back to a lower one, and the number of the system that is kept is not to come twice.
    number: Math.max(number, entry.previous?.system.number ?? 0) + 1,
  }
}

/** @throws ProxmintError (invalid) where the VM could not start from a disk of the VM template. @returns its config. */
async function requireLikeness(
  connection: Connection,
  { name }: Entry,
  config: VmConfig,
  source: { vmid: number; node: string },
): Promise<VmConfig> {
  // It throws for a VM that is missing, or not a VM template.
  await diskOfTemplate(connection, source)
  const template = await getVmConfig(connection.client, source)
  const slot = bootDiskOf(template)
  if (slot !== ROOT_DISK) {
    throw unlike(name, source.vmid, `boots from ${slot ?? 'no disk'}, and a VM of proxmint from ${ROOT_DISK}`)
  }
  const [firmware, ofTemplate] = [config, template].map(firmwareOf)
  if (firmware !== ofTemplate) {
    throw unlike(name, source.vmid, `boots by ${ofTemplate}, and ${name} by ${firmware}`)
  }
  return template
}

function firmwareOf({ bios }: VmConfig): string {
  return bios === 'ovmf' ? 'UEFI' : 'BIOS'
}

function unlike(name: string, vmid: number, why: string): ProxmintError {
  return new ProxmintError(`${name} cannot take a disk of VM template ${vmid}, which ${why}`, {
    hint: 'nothing was changed; make a VM of another name from that VM template, and move the data',
    exitCode: exitCodes.invalid,
  })
}

/** Checks privileges and room for the spare VM. */
async function requirePlace(
  connection: Connection,
  entry: Entry,
  config: VmConfig,
  source: { vmid: number; node: string },
  template: VmConfig,
): Promise<void> {
  const { client, version } = connection
  const { name } = entry
  const node = entry.node!
  const storage = storageOf(rootOf(config)!)
  const { bridge, vlan } = requireDesign(entry).network
  const place: NewVmPlace = {
    ...{ pveMajor: version.major, node, vmid: undefined, diskStorages: [storage] },
    ...{ bridge, vlanTag: vlan ?? undefined, zone: await zoneOfBridge(client, bridge) },
    pool: await findPoolOf(client, entry.vmid),
  }
  const { cloudInit } = requireDesign(entry) as ClonedDesign
  const delivery = { kind: cloudInit.delivery, storage: cloudInit.storage }
  const needs = rebuildNeeds(place, source.vmid, delivery, await cardsOf(client, template))
  requireGranted(await checkPermissions(client, version.major, needs), `vm rebuild ${name}`)
  await requireStorages(client, node, [
    { storage, contents: ['images'], setBy: `the root disk of ${name}, which is there` },
  ])
  await requireClonable(connection, source, node)
  await requireRoom(connection, entry, storage, Math.max(gibIn(config), gibIn(template)))
}

async function cardsOf(client: Connection['client'], template: VmConfig): Promise<CardPlace[]> {
  return Promise.all(
    networksOf(template).map(async ({ bridge, vlanTag }) => ({
      ...{ bridge, vlanTag },
      zone: await zoneOfBridge(client, bridge),
    })),
  )
}

function gibIn(config: VmConfig): number {
  return gibOf(String(config[ROOT_DISK] ?? '')) ?? 0
}

/** The root disk of before stays, so that both need room. A storage that does not tell its room is not judged. */
async function requireRoom(
  { client }: Connection,
  { name, node }: Entry,
  storage: string,
  gib: number,
): Promise<void> {
  const found = (await listStorages(client, node!)).find(one => one.storage === storage)
  if (found?.avail === undefined || found.avail >= gib * 2 ** 30) return
  throw new ProxmintError(`storage ${storage} has no room for another root disk of ${name}`, {
    facts: { needs: `${gib} GiB`, free: `${(found.avail / 2 ** 30).toFixed(1)} GiB` },
    hint: 'nothing was changed; a rebuild keeps the former root disk for a while: make room, or move the disk to another storage',
    exitCode: exitCodes.invalid,
  })
}

/** @throws ProxmintError (invalid) if the disk of an earlier rebuild is still to be kept, and nobody agreed to lose it. */
function requireOlderAgreed({ name, previous }: Entry, now: Date, { allowed = new Set() }: VmContext): void {
  if (previous === undefined || Date.parse(previous.until) <= now.getTime()) return
  if (allowed.has('data-loss')) return
  throw new ProxmintError(
    `${name} still has its root disk from before the last rebuild, and a VM keeps one: ${previous.volume} (${previous.version})`,
    {
      facts: { 'kept until': previous.until },
      hint: `nothing was changed; to lose it: zx scripts/vm.mts rebuild ${name} --allow data-loss`,
      exitCode: exitCodes.invalid,
    },
  )
}
