/** What is checked of the data disks of a VM before anything is reserved. Pure. */
import type { DataDisk, VmDesign } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'

/** @throws ProxmintError (usage) for two disks with one name or one folder, and for a file system that nothing mounts. */
export function requireDataDisks(name: string, disks: readonly DataDisk[] = []): void {
  const fault = disks.flatMap((disk, index) => faultsOf(disk, disks.slice(0, index)))[0]
  if (fault === undefined) return
  throw new ProxmintError(`the data disks of ${name} are not possible: ${fault}`, {
    hint: 'correct --data-disk, or `disks` in the fleet file or in config/vm.yaml',
    exitCode: exitCodes.usage,
  })
}

function faultsOf({ name, mount, filesystem }: DataDisk, before: readonly DataDisk[]): string[] {
  return [
    before.some(other => other.name === name) ? `two are named ${name}` : '',
    mount !== undefined && before.some(other => other.mount === mount) ? `two are mounted on ${mount}` : '',
    filesystem !== undefined && mount === undefined
      ? `${name} has a file system and no folder: mount=/...`
      : '',
  ].filter(Boolean)
}

/** Storages on which the disks of a VM are made, the root disk's first. */
export function diskStoragesOf({ storage, disks = [] }: Pick<VmDesign, 'storage' | 'disks'>): string[] {
  return [...new Set([storage, ...disks.map(disk => disk.storage ?? storage)])]
}
