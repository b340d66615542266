import { basename, dirname, join } from 'node:path'
import { seedIso } from '../../cloud-init/seed.mts'
import { backendOf } from '../../config/terraform.mts'
import { cpuTypeOf, type Entry, type VmDesign } from '../../registry/entry.mts'
import { descriptionOf } from '../../registry/identity.mts'
import { writeFileAtomic } from '../../run/atomic-file.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { privateFolder } from '../../run/private-folder.mts'
import type { Connection } from '../../site/connect.mts'
import type { Site } from '../../site/site.mts'
import { type VmSettings, vmConfiguration } from '../../terraform/vm-configuration.mts'
import { vmFolder } from '../look/local-state.mts'
import { addressesOfCard } from '../shape/card-addresses.mts'
import { NOTHING_KEPT } from './keep.mts'
import { instanceOf, seedCardsOf } from './seed-cards.mts'
import { userDataOf } from './user-data.mts'

/** The files of a VM's folder; all of them follow from the entry. */
interface VmFiles {
  configuration: object
  /** A NoCloud seed, where the user-data is not delivered as a snippet. */
  seed: Uint8Array<ArrayBuffer> | undefined
}

const SEED_FILE = 'seed.iso'

/** Returns the settings of a VM with what stays of it as Proxmox has it. */
export type Keep = (settings: VmSettings) => VmSettings

/** Keeps nothing: for a VM that nobody looked at. */
const keepNothing: Keep = settings => settings

/**
 * Renders the files that `writeVmFolder` writes.
 * @param started whether the VM is to run.
 */
export async function renderVm(
  site: Site,
  entry: Entry,
  started: boolean,
  keep: Keep = keepNothing,
): Promise<VmFiles> {
  const design = requireDesign(entry)
  const userData = await userDataOf(site, entry, design)
  const settings = keep(settingsOf(entry, design, started, userData))
  const configuration = vmConfiguration(settings, backendOf(await site.backend(), entry.name))
  if (design.cloudInit.delivery === 'snippet') return { configuration, seed: undefined }
  const seed = {
    ...{ instanceId: instanceOf(entry), hostname: entry.name, userData },
    cards: seedCardsOf(entry, settings),
  }
  return { configuration, seed: await seedIso(seed) }
}

/**
 * Writes the configuration of a VM; all of it follows from the entry and from the VM in Proxmox.
 * @param started whether the VM is to run.
 * @returns the folder.
 * @throws ProxmintError (locked) if the lock was lost; nothing is written then.
 */
export async function writeVmFolder(
  { site, requireHeld }: Pick<Connection, 'site' | 'requireHeld'>,
  entry: Entry,
  started: boolean,
  keep?: Keep,
): Promise<string> {
  const folder = vmFolder(entry.name)
  const { configuration, seed } = await renderVm(site, entry, started, keep)
  await requireHeld?.()
  privateFolder(dirname(folder), basename(folder))
  if (seed !== undefined) await writeFileAtomic(join(folder, SEED_FILE), seed, 0o600)
  await writeConfiguration(folder, configuration)
  return folder
}

/**
 * Writes a configuration that is enough to destroy a VM: without user-data, whose template can be gone by now.
 * @returns the folder.
 * @throws ProxmintError as `writeVmFolder`.
 */
export async function writeFolderToDestroy(
  { site, requireHeld }: Pick<Connection, 'site' | 'requireHeld'>,
  entry: Entry,
): Promise<string> {
  const folder = vmFolder(entry.name)
  const settings = { ...settingsOf(entry, requireDesign(entry), false, null), seed_iso: null }
  const configuration = vmConfiguration(settings, backendOf(await site.backend(), entry.name))
  await requireHeld?.()
  privateFolder(dirname(folder), basename(folder))
  await writeConfiguration(folder, configuration)
  return folder
}

function writeConfiguration(folder: string, configuration: object): Promise<void> {
  return writeFileAtomic(join(folder, 'main.tf.json'), `${JSON.stringify(configuration, null, 2)}\n`, 0o600)
}

/** Names the file of the user-data on its storage, without its ending. Another site may have a VM of this name, too. */
export function userDataFile({ name, id, design }: Entry): string {
  return design?.cloudInit.ownFile ? `proxmint-${name}-${id}` : `proxmint-${name}`
}

/** Volume of the user-data: `local:snippets/proxmint-web-1-ID.yaml`. Undefined for a VM that was imported. */
export function userDataVolume(entry: Entry): string | undefined {
  if (entry.design === null) return undefined
  const { delivery, storage } = entry.design.cloudInit
  const file = userDataFile(entry)
  return `${storage}:${delivery === 'snippet' ? `snippets/${file}.yaml` : `iso/${file}.iso`}`
}

/** @throws ProxmintError (invalid) for a VM that was imported: nobody knows what it was made of. */
export function requireDesign({ name, design, foreign }: Entry): VmDesign {
  if (design !== null) return design
  if (foreign) throw notOurs(name)
  throw new ProxmintError(`proxmint does not know what ${name} was made of: it was imported`, {
    hint: 'it can be listed, extended and destroyed, and not changed',
    exitCode: exitCodes.invalid,
  })
}

function notOurs(name: string): ProxmintError {
  return new ProxmintError(`proxmint did not make ${name}: it was adopted by its VMID`, {
    hint:
      'it can be listed, extended, stopped, started and, with --allow data-loss, destroyed; `vm change` changes its purpose, ' +
      'owner and expiry. Change the VM itself in Proxmox',
    exitCode: exitCodes.invalid,
  })
}

/** Name servers of the first card: Proxmox has one list for a VM. */
function dnsOf(entry: Entry, { dns }: VmDesign['network']): string[] {
  // The further addresses of an adopted VM were not given by proxmint.
  if (entry.design?.cards === undefined) return dns
  return [...new Set([...dns, ...addressesOfCard(0, entry).flatMap(one => one.dns)])]
}

function settingsOf(entry: Entry, design: VmDesign, started: boolean, userData: string | null): VmSettings {
  const { network, cloudInit } = design
  return {
    name: entry.name,
    description: descriptionOf(entry),
    node: entry.node!,
    vmid: entry.vmid,
    // Nobody knows the VM template of an adopted VM. A clone of itself is what no plan can make by mistake.
    template: design.template ?? { vmid: entry.vmid, node: entry.node! },
    storage: design.storage,
    pool: design.resourcePool ?? null,
    cores: design.cores,
    // The provider reboots a VM to change its CPU type: VMs that were made with this one keep it.
    cpu_type: cpuTypeOf(design),
    memory: design.memory,
    disk: design.disk,
    address: `${entry.address}/${network.prefix}`,
    gateway: network.gateway,
    dns: dnsOf(entry, network),
    bridge: network.bridge,
    vlan: network.vlan,
    tags: design.tags,
    started,
    on_boot: started && design.onBoot !== false,
    user_data: cloudInit.delivery === 'snippet' ? userData : null,
    seed_iso: cloudInit.delivery === 'iso' ? `./${SEED_FILE}` : null,
    file_name: userDataFile(entry),
    file_storage: cloudInit.storage,
    agent_timeout: design.agentTimeout,
    ...NOTHING_KEPT,
  }
}
