import type { Config } from '../config/load.mts'
import type { BuildTarget } from '../packer/build-target.mts'
import type { Acceptance } from '../packer/family.mts'
import {
  acceptanceNeeds,
  type CardPlace,
  cloneBuildNeeds,
  isoBuildNeeds,
  type Need,
} from '../permissions/needs.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { listVmsOf, type VmSummary } from '../proxmox/list-vms.mts'
import { networksOf, storagesOfDisks } from '../proxmox/vm-devices.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { zoneOfBridge } from './zone-of-bridge.mts'

/** Finds the base VM of a build, among the VMs of a node that the identity can see. */
export async function findBase(
  client: ProxmoxClient,
  name: string | undefined,
  node: string,
): Promise<VmSummary | undefined> {
  if (name === undefined) return undefined
  const matches = (await listVmsOf(client, node)).filter(vm => vm.name === name)
  if (matches.length <= 1) return matches[0]
  throw new ProxmintError(`${matches.length} VMs are named ${name}`, {
    facts: { vmids: matches.map(vm => vm.vmid).join(', ') },
    hint: 'keep one, and rename or delete the others: Packer finds its base VM by name',
    exitCode: exitCodes.invalid,
  })
}

/** Needs of a build, with the storages of the base VM's disks if the VM is known. */
export async function needsOfBuild(
  client: ProxmoxClient,
  target: BuildTarget,
  place: { node: string; pveMajor: number },
  base: VmSummary | undefined,
): Promise<Need[]> {
  const config: VmConfig = base === undefined ? {} : await getVmConfig(client, base)
  const diskStorages = [...new Set([...target.diskStorages, ...storagesOfDisks(config)])]
  const { bridge, vlanTag, pool } = target
  const withZone = async <T extends { bridge: string }>(card: T) => ({
    ...card,
    zone: await zoneOfBridge(client, card.bridge),
  })
  const cards = await Promise.all(networksOf(config).map(withZone))
  const made = await Promise.all([{ bridge, vlanTag }, ...target.furtherCards].map(withZone))
  // The needs of several network cards differ in the bridge alone.
  const needs = made.flatMap(card => {
    const at = { ...place, ...card, vmid: undefined, diskStorages, pool }
    if (target.medium !== undefined) return isoBuildNeeds(at, target.medium.storage, target.usesAgent)
    return cloneBuildNeeds(at, base?.vmid, target.usesAgent, cards)
  })
  return [...new Map(needs.map(need => [JSON.stringify(need), need])).values()]
}

/** Network and pool of the VM template that a build makes. */
export async function cardAndPoolOf(
  client: ProxmoxClient,
  { bridge, vlanTag, pool }: BuildTarget,
): Promise<{ card: CardPlace; pool: string | undefined }> {
  return { card: { bridge, vlanTag, zone: await zoneOfBridge(client, bridge) }, pool }
}

/** A VM template that the acceptance test clones. */
interface TestedPlace {
  pveMajor: number
  node: string
  /** Takes the disks of the clones. */
  storage: string
  /** VMID of the VM template; undefined before it is built. */
  vmid: number | undefined
  /** Network of the VM template, which its clones have. Default: the configured bridge. */
  card?: CardPlace | undefined
  /** Pool of the family, which the clones are made in. */
  pool?: string | undefined
}

/** Lists the needs of the acceptance test of a VM template. */
export function needsOfAcceptance(
  config: Config,
  { acceptance }: { acceptance: Acceptance },
  { pveMajor, node, storage, vmid, pool, card }: TestedPlace,
): Need[] {
  const network = card ?? { bridge: config.bridge }
  const clones = { pveMajor, node, vmid: undefined, diskStorages: [storage], pool, ...network }
  return acceptanceNeeds(clones, vmid, acceptance, config.imageStorage)
}
