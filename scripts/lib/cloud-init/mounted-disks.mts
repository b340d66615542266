/** Adds to a cloud-config what mounts the data disks of a VM. */
import { readFile } from 'node:fs/promises'
import { itemsOf } from './parsed.mts'

/** A data disk that cloud-init mounts, and gives a file system if there is nothing on it. */
export interface MountedDisk {
  /** Serial number of the disk. */
  serial: string
  /** Absolute path. */
  folder: string
  fileSystem: string
}

const SCRIPT = new URL('./mount-disks.sh', import.meta.url)

/**
 * Puts a command in front of `bootcmd`: it runs at every boot, before accounts, files and packages are made. `fs_setup` of
 * cloud-init is not used: it destroys a file system whose label or type is another one.
 * @returns the document with it, and a fault, as the end of a sentence, if the document mounts something else there.
 */
export async function withMountedDisks(
  document: Record<string, unknown>,
  disks: readonly MountedDisk[],
): Promise<{ document: Record<string, unknown>; fault: string | undefined }> {
  if (disks.length === 0) return { document, fault: undefined }
  const script = await readFile(SCRIPT, 'utf8')
  const words = disks.flatMap(({ serial, folder, fileSystem }) => [serial, folder, fileSystem])
  const command = ['sh', '-c', script, 'mount-disks', ...words]
  const bootcmd = [command, ...itemsOf(document['bootcmd'])]
  return { document: { ...document, bootcmd }, fault: mountFault(document, disks) }
}

function mountFault(document: Record<string, unknown>, disks: readonly MountedDisk[]): string | undefined {
  const own = itemsOf(document['mounts']).map(mount => itemsOf(mount)[1])
  const both = disks.find(({ folder }) => own.includes(folder))
  return both && `mounts something on ${both.folder}, as the data disk ${both.serial} does`
}
