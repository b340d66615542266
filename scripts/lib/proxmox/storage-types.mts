/** Content that each type of storage can hold (`plugindata` of PVE/Storage/*Plugin.pm). */

const FILES = ['images', 'rootdir', 'vztmpl', 'iso', 'backup', 'snippets', 'import']
const DISKS = ['images', 'rootdir']

const CONTENT_OF_TYPE: Record<string, string[]> = {
  dir: FILES,
  btrfs: FILES,
  nfs: FILES,
  cifs: FILES,
  glusterfs: FILES,
  cephfs: ['vztmpl', 'iso', 'backup', 'snippets', 'import'],
  zfspool: DISKS,
  lvm: DISKS,
  lvmthin: DISKS,
  rbd: DISKS,
  zfs: ['images'],
  iscsi: ['images'],
  iscsidirect: ['images'],
  pbs: ['backup'],
  esxi: ['import'],
}

/** Whether storages of a type can hold all of the content. True for a type that is not known here. */
export function canHold(type: string | undefined, contents: string[]): boolean {
  const able = CONTENT_OF_TYPE[type ?? '']
  return able === undefined || contents.every(content => able.includes(content))
}
