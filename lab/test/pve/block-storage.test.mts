import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab

beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [
        { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
        { id: 'files', type: 'dir', content: ['images'] },
        { id: 'thin', type: 'lvmthin', content: ['images'] },
        { id: 'thick', type: 'lvm', content: ['images'] },
        { id: 'zfs', type: 'zfspool', content: ['images'] },
      ],
    },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const qemu = '/nodes/pve/qemu'
const create = (vmid: number, scsi0: string) => lab.task('POST', qemu, { vmid, scsi0 })
const disk = (vmid: number, slot = 'scsi0') => lab.server.admin.vmConfig(vmid)?.[slot]
const listed = async (storage: string) => (await lab.get(`/nodes/pve/storage/${storage}/content`)).data

const MIB = 1024 ** 2
const PLUGINS = 'at /usr/share/perl5/PVE/Storage'

describe('formats', () => {
  test.each([
    ['thin', 'qcow2', `unsupported format 'qcow2' ${PLUGINS}/LvmThinPlugin.pm line 102.`],
    ['zfs', 'vmdk', `unsupported format 'vmdk' ${PLUGINS}/ZFSPoolPlugin.pm line 292.`],
    [
      'thick',
      'qcow2',
      `snapshot-as-volume-chain option need to be enabled to use qcow2 format ${PLUGINS}/LVMPlugin.pm line 698.`,
    ],
  ])('%s has no disks in format %s', async (storage, format, reason) => {
    expect(await create(100, `${storage}:1,format=${format}`)).toBe(`unable to create VM 100 - ${reason}`)
    expect(await listed(storage)).toEqual([])
  })

  test('a new disk has the wanted format on files, or else raw; the config does not name it', async () => {
    await create(100, 'files:1')
    await create(101, 'files:1,format=qcow2')
    await create(102, 'thin:1,format=raw')
    expect([disk(100), disk(101), disk(102)]).toEqual([
      'files:100/vm-100-disk-0.raw,size=1G',
      'files:101/vm-101-disk-0.qcow2,size=1G',
      'thin:vm-102-disk-0,size=1G',
    ])
  })

  test.each([
    ['thin', 'qcow2', 'thin:vm-101-disk-0,size=1G'],
    ['files', undefined, 'files:101/vm-101-disk-0.raw,size=1G'],
    ['files', 'qcow2', 'files:101/vm-101-disk-0.qcow2,size=1G'],
  ])('a full clone to %s with format %s takes what the storage can', async (storage, format, text) => {
    await create(100, 'files:1')
    const options = { newid: 101, full: 1, storage, ...(format && { format }) }
    expect(await lab.task('POST', `${qemu}/100/clone`, options)).toBe('OK')
    expect(disk(101)).toBe(text)
  })

  test('a cloud-init drive is qcow2 on files and raw on a pool', async () => {
    await lab.task('POST', qemu, { vmid: 100, ide2: 'files:cloudinit' })
    await lab.task('POST', qemu, { vmid: 101, ide2: 'thin:cloudinit' })
    expect([disk(100, 'ide2'), disk(101, 'ide2')]).toEqual([
      expect.stringContaining('files:100/vm-100-cloudinit.qcow2'),
      expect.stringContaining('thin:vm-101-cloudinit'),
    ])
  })
})

describe('linked clones', () => {
  const linked = async (storage: string) => {
    await create(100, `${storage}:1`)
    await lab.task('POST', `${qemu}/100/template`)
    await lab.task('POST', `${qemu}/100/clone`, { newid: 101 })
    return (await listed(storage)) as { volid: string; parent?: string }[]
  }

  test('on LVM-thin name no base, and nothing keeps it', async () => {
    const volumes = await linked('thin')
    expect(volumes.map(({ volid }) => volid)).toEqual(['thin:base-100-disk-0', 'thin:vm-101-disk-0'])
    expect(volumes.some(volume => 'parent' in volume)).toBe(false)
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe('OK')
    expect(disk(101)).toBe('thin:vm-101-disk-0,size=1G')
  })

  test('on ZFS name their base in the volume id, and as a snapshot of it', async () => {
    expect(await linked('zfs')).toMatchObject([
      { volid: 'zfs:base-100-disk-0', name: 'base-100-disk-0', parent: null },
      { volid: 'zfs:base-100-disk-0/vm-101-disk-0', parent: 'base-100-disk-0@__base__' },
    ])
  })

  test('on files are qcow2 and name the path of their base', async () => {
    expect(await linked('files')).toMatchObject([
      { volid: 'files:100/base-100-disk-0.raw', parent: null },
      {
        volid: 'files:100/base-100-disk-0.raw/101/vm-101-disk-0.qcow2',
        parent: '../100/base-100-disk-0.raw',
      },
    ])
    const base = '/nodes/pve/storage/files/content/files:100/base-100-disk-0.raw'
    expect(await lab.task('DELETE', base)).toBe(
      "base volume '100/base-100-disk-0.raw' is still in use by linked clones",
    )
  })
})

describe('sizes', () => {
  test('are rounded up to extents of LVM and to MiB of ZFS', async () => {
    for (const storage of ['zfs', 'thin', 'thick']) await create(100 + storage.length, `${storage}:0.005`)
    const size = async (storage: string) => (await listed(storage))[0].size
    expect([await size('thin'), await size('thick'), await size('zfs')]).toEqual([8 * MIB, 8 * MIB, 6 * MIB])
  })

  test.each([
    ['thin', 1028],
    ['thick', 1028],
    ['zfs', 1026],
  ])(
    'a resize on %s writes the size that was asked for, and the volume is rounded up',
    async (storage, mib) => {
      await create(100, `${storage}:1`)
      await lab.task('PUT', `${qemu}/100/resize`, { disk: 'scsi0', size: `${1025 * 1024 + 1}K` })
      expect(disk(100)).toBe(`${storage}:vm-100-disk-0,size=1049601K`)
      expect((await listed(storage))[0].size).toBe(mib * MIB)
    },
  )

  test('a resize by an amount begins at the size of the volume', async () => {
    await create(100, 'thin:0.005')
    await lab.task('PUT', `${qemu}/100/resize`, { disk: 'scsi0', size: '+1M' })
    expect(disk(100)).toBe('thin:vm-100-disk-0,size=9M')
  })
})

test.each(['thin', 'zfs'])('a raw disk on %s has snapshots', async storage => {
  await create(100, `${storage}:1`)
  expect(await lab.task('POST', `${qemu}/100/snapshot`, { snapname: 'before' })).toBe('OK')
})
