import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterSpec } from '../../pve/core/cluster.mts'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const GIB = 1024 ** 3
const MIB = 1024 ** 2

const CLUSTER: ClusterSpec = {
  nodes: [
    { name: 'pve', online: true },
    { name: 'pve2', online: true },
  ],
  storages: [
    { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
    { id: 'tank', type: 'zfspool', content: ['images'], size: 4 * GIB },
    { id: 'thin', type: 'lvmthin', content: ['images'], nodes: ['pve2'], size: 8 * MIB },
    { id: 'small', type: 'dir', content: ['iso'], size: MIB },
    { id: 'nas', type: 'nfs', content: ['images', 'iso'], shared: true, size: 20 * MIB },
  ],
}

const READER = 'ann@pve!t'
const SECRET = '8f0f1c1e-9d0c-4b7e-9d27-2f0f4f5f6a01'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    cluster: CLUSTER,
    userCfg: [
      'user:ann@pve:1:0::::::',
      'token:ann@pve!t:0:0::',
      'acl:1:/vms:ann@pve:PVEAdmin:',
      'acl:1:/sdn:ann@pve:PVESDNUser:',
      'acl:1:/storage/nas:ann@pve:PVEDatastoreUser:',
      '',
    ].join('\n'),
    tokenSecrets: { [READER]: SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const ann = tokenHeader(READER, SECRET)
const create = (node: string, vmid: number, more: Record<string, unknown>) =>
  lab.task('POST', `/nodes/${node}/qemu`, { vmid, name: `vm${vmid}`, memory: 512, ...more })
const clone = (node: string, vmid: number, body: Record<string, unknown>) =>
  lab.task('POST', `/nodes/${node}/qemu/${vmid}/clone`, body)
const refusedClone = (vmid: number, body: Record<string, unknown>, headers = lab.rootHeaders) =>
  lab.call('POST', `/nodes/pve/qemu/${vmid}/clone`, { newid: 200, full: 1, ...body }, headers)
const config = (vmid: number) => lab.server.admin.vmConfig(vmid)
const volids = async (node: string, storage: string) =>
  (await lab.get(`/nodes/${node}/storage/${storage}/content`)).data
    .map((entry: { volid: string }) => entry.volid)
    .sort()
const statusOf = async (node: string, storage: string) =>
  (await lab.get(`/nodes/${node}/storage/${storage}/status`)).data
/** An image file of `mib` MiB in the import folder of a node; other nodes than the first have a folder of their own. */
const image = (mib: number, folder = 'local') =>
  writeFile(join(lab.dataDir, 'storage', folder, 'import/disk.raw'), Buffer.alloc(mib * MIB))
const imported = (storage: string) => `${storage}:0,import-from=local:import/disk.raw`

describe('storages of a node', () => {
  test('are those that name it, or no node at all', async () => {
    const ids = async (node: string, query = '') =>
      (await lab.get(`/nodes/${node}/storage${query}`)).data.map(
        (entry: { storage: string }) => entry.storage,
      )
    expect([await ids('pve', '?content=images'), await ids('pve2', '?content=images')]).toEqual([
      ['tank', 'nas'],
      ['tank', 'thin', 'nas'],
    ])
    expect(await ids('pve', '?target=pve2')).toEqual(['nas'])
    // Without a content the others are listed, too, as not enabled.
    expect(await ids('pve')).toEqual(['local', 'tank', 'thin', 'small', 'nas'])
    expect(await statusOf('pve', 'thin')).toMatchObject({ enabled: 0, active: 0, total: 0 })
    expect(await lab.get('/nodes/pve/storage/none/status')).toMatchObject({
      status: 400,
      errors: { storage: 'No such storage.' },
    })
    expect((await lab.get('/nodes/pve/storage/thin/content')).reason).toBe(
      "storage 'thin' is not available on node 'pve'",
    )
    const onThin = { vmid: 100, scsi0: 'thin:1' }
    expect((await lab.call('POST', '/nodes/pve/qemu', onThin)).reason).toBe(
      "storage 'thin' is not available on node 'pve'",
    )
  })

  test('tell their kind as Proxmox does', async () => {
    const entry = async (id: string) => (await lab.get(`/storage/${id}`)).data
    expect(await entry('nas')).toMatchObject({ type: 'nfs', shared: 1, server: '127.0.0.1' })
    expect(await entry('thin')).toMatchObject({ vgname: 'thin', thinpool: 'data', nodes: 'pve2' })
    expect(await entry('tank')).toMatchObject({ type: 'zfspool', content: 'images', pool: 'tank' })
    expect(await statusOf('pve', 'nas')).toMatchObject({ shared: 1, total: 20 * MIB, used: 0 })
  })

  test('hold their own files and volumes, unless they are shared', async () => {
    await writeFile(join(lab.dataDir, 'storage/local/template/iso/one.iso'), 'one')
    await writeFile(join(lab.dataDir, 'storage/nas/template/iso/all.iso'), 'all')
    await create('pve', 100, { scsi0: 'tank:1' })
    await create('pve2', 101, { scsi0: 'tank:1', scsi1: 'nas:1' })
    expect([await volids('pve', 'tank'), await volids('pve2', 'tank')]).toEqual([
      ['tank:vm-100-disk-0'],
      ['tank:vm-101-disk-0'],
    ])
    for (const node of ['pve', 'pve2'])
      expect(await volids(node, 'nas')).toEqual(['nas:101/vm-101-disk-0.raw', 'nas:iso/all.iso'])
    expect([await volids('pve', 'local'), await volids('pve2', 'local')]).toEqual([['local:iso/one.iso'], []])
    expect((await lab.get('/nodes/pve/storage/tank/content/tank:vm-101-disk-0')).reason).toBe(
      "zfs error: cannot open 'tank/vm-101-disk-0': dataset does not exist",
    )
  })
})

describe('clone to another node', () => {
  test('takes all that is on shared storage, its cloud-init drive too', async () => {
    await create('pve', 100, { scsi0: 'nas:1', ide2: 'nas:cloudinit' })
    await lab.task('POST', '/nodes/pve/qemu/100/template')
    const upid = (await lab.call('POST', '/nodes/pve/qemu/100/clone', { newid: 101, target: 'pve2' })).data
    expect(upid).toMatch(/^UPID:pve:/)
    await lab.server.admin.settled()
    expect((await lab.get('/nodes/pve2/qemu/101/config')).data).toMatchObject({
      scsi0: 'nas:100/base-100-disk-0.raw/101/vm-101-disk-0.qcow2,size=1G',
      ide2: 'nas:101/vm-101-cloudinit.qcow2,media=cdrom,size=4M',
    })
    expect((await lab.get('/nodes/pve/qemu/101/config')).status).toBe(500)
    expect(await lab.task('POST', '/nodes/pve2/qemu/101/status/start')).toBe('OK')
    expect(await clone('pve', 100, { newid: 102, full: 1, storage: 'nas', target: 'pve2' })).toBe('OK')
    expect(config(102)).toMatchObject({ scsi0: 'nas:102/vm-102-disk-0.raw,size=1G' })
  })

  test.each([
    ['a disk', { scsi0: 'tank:1' }],
    ['a cloud-init drive', { scsi0: 'nas:1', ide2: 'tank:cloudinit' }],
  ])('is refused with %s on a storage of this node alone', async (_, drives) => {
    await create('pve', 100, drives)
    expect((await refusedClone(100, { target: 'pve2' })).reason).toBe(
      "can't clone VM to node 'pve2' (VM uses local storage)",
    )
    expect((await refusedClone(100, { target: 'pve2', storage: 'tank' })).reason).toBe(
      "can't clone to non-shared storage 'tank'",
    )
    expect((await refusedClone(100, { target: 'none' })).reason).toBe("no such cluster node 'none'")
    expect((await refusedClone(100, { target: 'pve', storage: 'local' })).errors).toEqual({
      storage: "storage 'local' does not support vm images",
    })
    expect(await clone('pve', 100, { newid: 101, full: 1, target: 'pve', storage: 'nas' })).toBe('OK')
  })

  test('a VMID of another node is taken, which only the worker finds out', async () => {
    await create('pve', 100, { scsi0: 'nas:1' })
    await create('pve2', 101, {})
    expect(await clone('pve', 100, { newid: 101, full: 1 })).toBe(
      "close (rename) atomic file '/etc/pve/nodes/pve/qemu-server/101.conf' failed: File exists",
    )
    expect((await lab.get('/nodes/pve2/qemu/101/config')).data.name).toBe('vm101')
    expect(await volids('pve', 'nas')).toEqual(['nas:100/vm-100-disk-0.raw'])
  })

  test('needs Datastore.AllocateSpace where the disks go, none for the cloud-init drive', async () => {
    await create('pve', 100, { scsi0: 'tank:1', ide2: 'tank:cloudinit' })
    expect((await refusedClone(100, {}, ann)).reason).toBe(
      'Permission check failed (/storage/tank, Datastore.AllocateSpace)',
    )
    expect((await refusedClone(100, { storage: 'nas' }, ann)).status).toBe(200)
  })
})

describe('space', () => {
  test('of a ZFS pool is reserved whole, and a disk that does not fit is not made', async () => {
    await create('pve', 100, { scsi0: 'tank:3' })
    expect(await statusOf('pve', 'tank')).toMatchObject({ used: 3 * GIB, avail: GIB, total: 4 * GIB })
    expect(await statusOf('pve2', 'tank')).toMatchObject({ used: 0 })
    expect(await create('pve', 101, { scsi0: 'tank:2' })).toBe(
      "unable to create VM 101 - zfs error: cannot create 'tank/vm-101-disk-0': out of space",
    )
    expect(await clone('pve', 100, { newid: 101, full: 1 })).toBe(
      "clone failed: zfs error: cannot create 'tank/vm-101-disk-0': out of space",
    )
    expect(await volids('pve', 'tank')).toEqual(['tank:vm-100-disk-0'])
    expect(await create('pve2', 101, { scsi0: 'tank:2' })).toBe('OK')
  })

  test('of a ZFS pool limits growing too; its linked clones reserve nothing', async () => {
    await create('pve', 100, { scsi0: 'tank:3' })
    const resize = (size: string) => lab.task('PUT', '/nodes/pve/qemu/100/resize', { disk: 'scsi0', size })
    expect(await resize('5G')).toBe("zfs error: cannot set property for 'tank/vm-100-disk-0': out of space")
    expect(config(100)!['scsi0']).toBe('tank:vm-100-disk-0,size=3G')
    expect(await resize('4G')).toBe('OK')
    await lab.task('POST', '/nodes/pve/qemu/100/template')
    expect(await clone('pve', 100, { newid: 101 })).toBe('OK')
    expect(await statusOf('pve', 'tank')).toMatchObject({ avail: 0 })
  })

  test('of the others is what was written: blank disks of any size, until copies fill it', async () => {
    await image(8)
    expect(await create('pve', 100, { scsi0: imported('nas'), scsi1: 'nas:500' })).toBe('OK')
    expect(await statusOf('pve2', 'nas')).toMatchObject({ used: 8 * MIB })
    expect(await clone('pve', 100, { newid: 101, full: 1 })).toBe('OK')
    expect(await clone('pve', 100, { newid: 102, full: 1 })).toMatch(
      /^clone failed: copy failed: command '\/usr\/bin\/qemu-img convert .*' failed: exit code 1$/,
    )
    expect(await statusOf('pve', 'nas')).toMatchObject({ used: 16 * MIB, avail: 4 * MIB })
  })

  test('of a thin pool that is full is refused to blank disks as well', async () => {
    await image(8, 'local@pve2')
    expect(await create('pve2', 100, { scsi0: imported('thin') })).toBe('OK')
    expect(await create('pve2', 101, { scsi0: 'thin:1' })).toBe(
      "unable to create VM 101 - lvcreate 'thin/vm-101-disk-0' error:   Cannot create new thin volume, free space in thin pool thin/data reached threshold.",
    )
  })

  test('of files is their own, also of those that come in', async () => {
    const web = createServer((_, response) => response.end(Buffer.alloc(MIB / 2 + 1)))
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/x.iso`
    const small = '/nodes/pve/storage/small'
    const download = (filename: string) =>
      lab.task('POST', `${small}/download-url`, { content: 'iso', filename, url })
    const upload = async (filename: string, bytes: number) => {
      const form = new FormData()
      form.set('content', 'iso')
      form.set('filename', new Blob([Buffer.alloc(bytes)]), filename)
      const encoded = new Response(form)
      const headers = { ...lab.rootHeaders, 'content-type': encoded.headers.get('content-type')! }
      await lab.call('POST', `${small}/upload`, Buffer.from(await encoded.arrayBuffer()), headers)
      await lab.server.admin.settled()
      return lab.server.admin.tasks().at(-1)!.exitstatus
    }
    try {
      expect(await download('a.iso')).toBe('OK')
      expect(await download('b.iso')).toMatch(
        /^download failed: Cannot write to ‘\/var\/lib\/small\/.*’ \(No space left on device\)\.$/,
      )
      expect(await upload('c.iso', MIB / 2)).toMatch(
        /^import failed: cp: error writing '.*c\.iso': No space left on device$/,
      )
      expect(await upload('a.iso', MIB)).toBe('OK')
      expect(await volids('pve', 'small')).toEqual(['small:iso/a.iso'])
      expect(await statusOf('pve', 'small')).toMatchObject({ avail: 0 })
      expect(await statusOf('pve2', 'small')).toMatchObject({ used: 0 })
    } finally {
      web.close()
    }
  })

  test('moves with a disk', async () => {
    await image(8)
    await create('pve', 100, { scsi0: imported('nas') })
    const move = { disk: 'scsi0', storage: 'tank', delete: 1 }
    expect(await lab.task('POST', '/nodes/pve/qemu/100/move_disk', move)).toBe('OK')
    expect(config(100)).toMatchObject({ scsi0: 'tank:vm-100-disk-0,size=8M' })
    expect(await statusOf('pve', 'nas')).toMatchObject({ used: 0 })
    expect(await statusOf('pve', 'tank')).toMatchObject({ used: 8 * MIB })
    const away = { disk: 'scsi0', storage: 'thin' }
    expect((await lab.call('POST', '/nodes/pve/qemu/100/move_disk', away)).reason).toBe(
      "storage 'thin' is not available on node 'pve'",
    )
  })
})
