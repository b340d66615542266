/** Paths as the node shows them. The lab keeps each storage in a folder of its own, which is not the shown one. */

import { storagesOn } from './cluster.mts'
import type { State, StorageConfig } from './state.mts'

const MOUNTED = ['nfs', 'cifs', 'cephfs']
/** Types without a folder. */
const DEVICES = ['zfspool', 'lvm', 'lvmthin', 'pbs']

/** Returns the folder of a file-based storage as the node shows it. */
export function mountPoint(id: string, storage: StorageConfig): string {
  const given = storage.properties?.['path']
  if (given !== undefined) return given
  if (id === 'local') return '/var/lib/vz'
  return MOUNTED.includes(storage.type) ? `/mnt/pve/${id}` : `/var/lib/${id}`
}

/** Returns the folder of block devices of a pool: that of its volume group, or of its ZFS pool. */
export function deviceFolder(id: string, { type, properties }: StorageConfig): string {
  return type === 'zfspool'
    ? `/dev/zvol/${properties?.['pool'] ?? id}`
    : `/dev/${properties?.['vgname'] ?? id}`
}

type PlacesOf = { state: State; node: string }

/** Replaces the folder of a storage in a path or a text by the one that the node shows. */
export function asShown({ state, node }: PlacesOf, text: string): string {
  return storagesOn(state, node)
    .toSorted(([, a], [, b]) => b.path.length - a.path.length)
    .reduce(
      (shown, [id, storage]) => shown.replaceAll(`${storage.path}/`, `${mountPoint(id, storage)}/`),
      text,
    )
}

/** Returns the lab's own path for a path of the node; undefined if no storage has it. */
export function asKept({ state, node }: PlacesOf, path: string): string | undefined {
  const found = storagesOn(state, node)
    .map(([id, storage]) => ({ kept: storage.path, shown: `${mountPoint(id, storage)}/` }))
    .toSorted((a, b) => b.shown.length - a.shown.length)
    .find(({ shown }) => path.startsWith(shown))
  return found && `${found.kept}/${path.slice(found.shown.length)}`
}

/** Lists the folders of file-based storages: where the node shows them, and where the lab keeps them. */
export function mountsOf({ state, node }: PlacesOf): { at: string; folder: string }[] {
  return storagesOn(state, node)
    .filter(([, { type }]) => !DEVICES.includes(type))
    .map(([id, storage]) => ({ at: mountPoint(id, storage), folder: storage.path }))
}
