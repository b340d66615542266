/** Finds users of versions, so that `prune` keeps these versions. */

import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { listVmPlaces, type VmPlace } from '../proxmox/list-vms.mts'
import { listVolumes, type Volume } from '../proxmox/list-volumes.mts'
import type { Connection } from '../site/connect.mts'
import { withRegistry } from '../site/open-registry.mts'
import { lockfilesOfBranches } from '../templates/git.mts'
import type { VersionUse } from '../templates/prune-plan.mts'
import {
  channels,
  type Families,
  type TemplateCopy,
  type TemplateVersion,
  versionsOf,
} from '../templates/version.mts'

/** Users of versions that this identity and this repository can see. */
interface Uses {
  uses: VersionUse[]
  /** Sentences about places that were not searched. */
  notSeen: string[]
}

/** Searches users of every version: VMs in Proxmox, the registry, disks on the storages, branches in Git. */
export async function findUses(connection: Connection, lockfile: string, families: Families): Promise<Uses> {
  const versions = Object.values(families).flatMap(versionsOf)
  const visible = await listVmPlaces(connection.client)
  const byVms = await usesByVms(connection, versions, visible)
  const byDisks = await usesByDisks(connection, versions, visible)
  const branches = await lockfilesOfBranches(lockfile)
  const notSeen =
    branches === undefined ? ['there is no Git repository here, so no branch was looked at'] : []
  const inBranches = (branches ?? []).flatMap(({ branch, families: theirs }) => usesInBranch(branch, theirs))
  return { uses: [...byVms, ...(await usesByRegistry(connection)), ...byDisks, ...inBranches], notSeen }
}

/** Uses by the registry: a reserved VM, or one that will be made again, needs its recorded version. */
async function usesByRegistry({ site }: Connection): Promise<VersionUse[]> {
  const entries = await withRegistry(site, 'templates prune', store => store.list())
  return entries.flatMap(({ name, phase, template }) =>
    template === null ? [] : [{ version: template.version, by: `${name} (${phase}) of the registry` }],
  )
}

/** Uses by a branch: it makes VMs from the versions in its channels. */
function usesInBranch(branch: string, families: Families): VersionUse[] {
  return Object.values(families).flatMap(family =>
    channels.flatMap(channel => {
      const version = family[channel]?.name
      return version === undefined ? [] : [{ version, by: `the branch ${branch} (${channel})` }]
    }),
  )
}

/** Uses by VMs. A clone inherits the description with the build id; a linked clone also names the template's disks. */
async function usesByVms(
  { client }: Connection,
  versions: TemplateVersion[],
  visible: VmPlace[],
): Promise<VersionUse[]> {
  const copies = new Set(versions.flatMap(version => version.copies.map(copy => copy.vmid)))
  const others = visible.filter(vm => !copies.has(vm.vmid))
  const uses: VersionUse[] = []
  for (const vm of others) {
    const config = await getVmConfig(client, vm)
    for (const version of versions) {
      const how = howUsed(config, version.copies)
      if (how !== undefined) uses.push({ version: version.name, by: `${vmWords(vm, config)}, ${how}` })
    }
  }
  return uses
}

function howUsed(config: VmConfig, copies: TemplateCopy[]): string | undefined {
  const values = Object.values(config).map(String)
  if (copies.some(({ vmid }) => values.some(value => isDiskOf(value, vmid)))) return 'a linked clone'
  const description = String(config['description'] ?? '')
  return copies.some(({ buildId }) => description.includes(buildId)) ? 'made from it' : undefined
}

/** Uses by disks: the list of a storage also has disks of VMs that the identity cannot see. */
async function usesByDisks(
  { client }: Connection,
  versions: TemplateVersion[],
  visible: VmPlace[],
): Promise<VersionUse[]> {
  const copies = versions.flatMap(version => version.copies.map(copy => ({ version: version.name, copy })))
  const places = new Map(copies.map(({ copy }) => [`${copy.node} ${copy.storage}`, copy]))
  const uses: VersionUse[] = []
  for (const place of places.values()) {
    const volumes = await listVolumes(client, place, 'images')
    for (const { version, copy } of copies) {
      if (copy.node !== place.node || copy.storage !== place.storage) continue
      const linked = volumes.filter(
        volume => isLinkedTo(volume, copy.vmid) && !visible.some(vm => isOwn(volume, vm.vmid)),
      )
      uses.push(...linked.map(({ volid }) => ({ version, by: `the linked disk ${volid}` })))
    }
  }
  return uses
}

/**
 * True for a disk of a linked clone: `tank:base-9000-disk-0/vm-105-disk-0`, on a directory
 * `local:9000/base-9000-disk-0.qcow2/105/vm-105-disk-0.qcow2`.
 */
function isDiskOf(value: string, template: number): boolean {
  return new RegExp(`(^|[:/])base-${template}-disk-\\d+[^/,]*/`).test(value)
}

function isLinkedTo(volume: Volume & { parent?: string }, template: number): boolean {
  return (
    isDiskOf(volume.volid, template) ||
    new RegExp(`(^|[:/@])base-${template}-disk-`).test(volume.parent ?? '')
  )
}

function isOwn({ volid }: Volume, vmid: number): boolean {
  return new RegExp(`/vm-${vmid}-disk-`).test(volid)
}

function vmWords({ vmid }: VmPlace, { name }: VmConfig): string {
  return `VM ${vmid}${name === undefined ? '' : ` (${name})`}`
}
