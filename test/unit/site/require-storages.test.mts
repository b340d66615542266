import { expect, test } from 'vitest'
import type { StorageSummary } from '../../../scripts/lib/proxmox/list-storages.mts'
import { storageFaults } from '../../../scripts/lib/site/require-storages.mts'

const local: StorageSummary = { storage: 'local', type: 'dir', content: 'iso,backup' }
const shared: StorageSummary = { storage: 'share', type: 'nfs', content: 'iso,snippets,import' }
const tank = (type: string): StorageSummary => ({ storage: 'tank', type, content: 'images,rootdir' })

function hintsOf(storage: string, contents: string[], storages: StorageSummary[]): (string | undefined)[] {
  const wanted = [{ storage, contents, setBy: '`image_storage`' }]
  return storageFaults({ identity: 'a@pve' }, 'pve', wanted, storages).map(({ hint }) => hint)
}

test.each<[string, string, string[], StorageSummary[], string]>([
  [
    'a type that can hold it',
    'local',
    ['import', 'iso'],
    [local],
    'as root on a node: pvesm set local --content iso,backup,import',
  ],
  [
    'ZFS, and another storage that allows it',
    'tank',
    ['import', 'iso'],
    [tank('zfspool'), local, shared],
    'a storage of type zfspool cannot hold it: name share in `image_storage`',
  ],
  [
    'LVM-thin, and another storage that could',
    'tank',
    ['snippets'],
    [tank('lvmthin'), local],
    'a storage of type lvmthin cannot hold it: name local in `image_storage`, and as root on a node: pvesm set local --content iso,backup,snippets',
  ],
  [
    'no storage that could',
    'tank',
    ['iso'],
    [tank('rbd')],
    'a storage of type rbd cannot hold it: add one that can, as root on a node: pvesm add dir NAME --path /PATH --content iso; then name it in `image_storage`',
  ],
  [
    'disks on CephFS',
    'fs',
    ['images'],
    [{ storage: 'fs', type: 'cephfs', content: 'iso' }, tank('zfspool')],
    'a storage of type cephfs cannot hold it: name tank in `image_storage`',
  ],
])('%s', (_, storage, contents, storages, hint) => {
  expect(hintsOf(storage, contents, storages)).toEqual([hint])
})

test('nothing is missing', () => {
  expect(hintsOf('share', ['iso', 'import'], [shared])).toEqual([])
})

test('a storage that is listed and not enabled is no storage of the node', () => {
  expect(hintsOf('share', ['iso'], [{ ...shared, enabled: 0 }])).toEqual([
    expect.stringContaining('enable it, and add pve to its nodes'),
  ])
})
