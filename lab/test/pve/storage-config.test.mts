import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const add = (settings: Record<string, unknown>) => lab.call('POST', '/storage', settings)
const change = (id: string, settings: Record<string, unknown>) => lab.call('PUT', `/storage/${id}`, settings)
const shown = async (id: string) => (await lab.get(`/storage/${id}`)).data

describe('a new storage', () => {
  test('of a directory keeps files and disks, and shows its path', async () => {
    const settings = { storage: 'extra', type: 'dir', path: '/srv//extra/', content: 'iso,images' }
    expect((await add(settings)).data).toEqual({ storage: 'extra', type: 'dir' })
    expect(await shown('extra')).toMatchObject({ path: '/srv/extra', content: 'iso,images', type: 'dir' })
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, scsi0: 'extra:1' })
    const disk = '/nodes/pve/storage/extra/content/extra:100/vm-100-disk-0.raw'
    expect((await lab.get(disk)).data.path).toBe('/srv/extra/images/100/vm-100-disk-0.raw')
    expect(lab.server.admin.mounts()).toContainEqual({
      at: '/srv/extra',
      folder: join(lab.dataDir, 'storage/extra'),
    })
  })

  test.each([
    [{ type: 'lvmthin', vgname: 'pve', thinpool: 'data' }, 'images,rootdir', 0],
    [{ type: 'lvm', vgname: 'fast' }, 'images', 0],
    [{ type: 'zfspool', pool: 'rpool/data', sparse: 1 }, 'images,rootdir', 0],
    [{ type: 'nfs', server: '10.0.0.9', export: '/tank' }, 'images', 1],
    [
      { type: 'pbs', server: 'pbs.example', datastore: 'main', username: 'u@pbs', password: 'secret' },
      'backup',
      1,
    ],
  ])('of %j has the defaults of its type', async (settings, content, shared) => {
    expect((await add({ storage: 'extra', ...settings })).status).toBe(200)
    const { password: _, ...options } = settings as Record<string, unknown>
    expect(await shown('extra')).toMatchObject({ ...options, content })
    expect(JSON.stringify(await shown('extra'))).not.toContain('secret')
    expect((await lab.get('/nodes/pve/storage/extra/status')).data).toMatchObject({ active: 1, shared })
  })

  test.each([
    [{ type: 'dir' }, "missing value for required option 'path'"],
    [{ type: 'dir', path: '/srv/x y' }, 'illegal path for directory storage: /srv/x y'],
    [{ type: 'dir', path: '/srv/x', vgname: 'pve' }, "unexpected property 'vgname'"],
    [{ type: 'lvm', vgname: 'pve', content: 'iso' }, "storage does not support content type 'none'"],
    [
      { type: 'dir', path: '/srv/x', is_mountpoint: 'yes' },
      "create storage failed: unable to activate storage 'extra' - directory is expected to be a mount point but is not mounted: '/srv/x'",
    ],
    [
      { type: 'dir', path: '/srv/x', storage: 'local' },
      "create storage failed: storage ID 'local' already defined",
    ],
    [{ type: 'iscsi', portal: '10.0.0.1', target: 'iqn.x' }, "storage type 'iscsi' is not there in the lab"],
  ])('of %j is refused', async (settings, reason) => {
    expect((await add({ storage: 'extra', ...settings })).reason).toBe(reason)
  })

  test('is refused by the form of each option', async () => {
    const reply = await add({
      storage: 'x',
      type: 'nope',
      path: 'here',
      'prune-backups': 'keep-all=1,keep-last=2',
    })
    expect(reply.errors).toEqual({
      storage: "invalid format - storage ID 'x' cannot be shorter than 2 characters\n",
      type: expect.stringContaining("value 'nope' does not have a value in the enumeration"),
      path: 'invalid format - value does not look like a valid absolute path\n',
      'prune-backups': expect.stringContaining('keep-all cannot be set together with other options.'),
    })
  })
})

describe('a change', () => {
  test('sets, removes and disables', async () => {
    await add({ storage: 'extra', type: 'dir', path: '/srv/extra', 'prune-backups': 'keep-last=3' })
    expect((await change('extra', { content: 'iso', delete: 'prune-backups', disable: 1 })).data).toEqual({
      storage: 'extra',
      type: 'dir',
    })
    const config = await shown('extra')
    expect(config).toMatchObject({ content: 'iso', disable: 1 })
    expect(config).not.toHaveProperty('prune-backups')
    expect((await lab.get('/nodes/pve/storage/extra/status')).data).toMatchObject({ enabled: 0, active: 0 })
    expect((await lab.get('/nodes/pve/storage/extra/content')).reason).toBe("storage 'extra' is disabled")
  })

  test.each([
    ['local', { path: '/srv/y' }, undefined],
    ['tank', { pool: 'other' }, "update storage failed: can't change value of fixed parameter 'pool'"],
    ['tank', { delete: 'pool' }, "update storage failed: unable to delete required option 'pool'"],
    ['tank', { delete: 'nope' }, "update storage failed: no such option 'nope'"],
    ['none', { content: 'iso' }, "update storage failed: storage 'none' does not exist"],
    [
      'tank',
      { sparse: 1, digest: 'a' },
      'update storage failed: detected modified configuration - file changed by other user? Try again.',
    ],
  ])('of %s to %j is refused', async (id, settings, reason) => {
    const reply = await change(id, settings)
    expect(reply.status).toBe(reason === undefined ? 400 : 500)
    if (reason !== undefined) expect(reply.reason).toBe(reason)
  })
})

describe('a removed storage', () => {
  test('takes its ACLs along, and what it held stays', async () => {
    await add({ storage: 'extra', type: 'zfspool', pool: 'tank2' })
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, scsi0: 'extra:1' })
    await lab.call('PUT', '/access/acl', {
      path: '/storage/extra',
      roles: 'PVEDatastoreUser',
      users: 'root@pam',
    })
    expect((await lab.call('DELETE', '/storage/extra')).data).toBeNull()
    expect((await lab.get('/storage/extra')).reason).toBe("storage 'extra' does not exist")
    expect(lab.server.admin.userCfg()).not.toContain('/storage/extra')
    await add({ storage: 'extra', type: 'zfspool', pool: 'tank2' })
    expect((await lab.get('/nodes/pve/storage/extra/content')).data).toHaveLength(1)
  })

  test('comes back at once if it is local', async () => {
    await lab.call('DELETE', '/storage/local')
    expect((await shown('local')).content).toBe('backup,images,iso,rootdir,snippets,vztmpl')
  })
})

test('a scan finds the groups and pools of the storages, and a history ends now', async () => {
  await add({ storage: 'extra', type: 'lvmthin', vgname: 'pve', thinpool: 'data' })
  expect((await lab.get('/nodes/pve/scan/lvm')).data).toMatchObject([{ vg: 'pve', lvcount: 0 }])
  expect((await lab.get('/nodes/pve/scan/lvmthin?vg=pve')).data).toMatchObject([{ lv: 'data', vg: 'pve' }])
  expect((await lab.get('/nodes/pve/scan/lvmthin?vg=other')).data).toEqual([])
  expect((await lab.get('/nodes/pve/scan/zfs')).data).toMatchObject([{ pool: 'tank' }])
  const points = (await lab.get('/nodes/pve/storage/extra/rrddata?timeframe=hour')).data
  expect(points).toHaveLength(60)
  expect(points.at(-1)).toMatchObject({ total: expect.any(Number), used: expect.any(Number) })
})

describe('backups', () => {
  const names = ['2026_01_05-10_00_00', '2026_01_05-12_00_00', '2026_01_06-10_00_00', '2026_02_01-10_00_00']
  const backup = (name: string) => `extra:backup/vzdump-qemu-100-${name}.vma.zst`
  const content = '/nodes/pve/storage/extra/content'
  const fill = async () => {
    await add({ storage: 'extra', type: 'dir', path: '/srv/extra', content: 'backup' })
    for (const name of names)
      await writeFile(join(lab.dataDir, `storage/extra/dump/vzdump-qemu-100-${name}.vma.zst`), 'x')
  }

  test('have notes and a protection, and are pruned by rules', async () => {
    await fill()
    await lab.call('PUT', `${content}/${backup(names[1]!)}`, { notes: 'before\nthe move', protected: 1 })
    const listed = (await lab.get(content)).data
    expect(listed[1]).toMatchObject({
      notes: 'before',
      protected: 1,
      subtype: 'qemu',
      vmid: 100,
      format: 'vma.zst',
    })
    expect((await lab.get(`${content}/${backup(names[1]!)}`)).data).toMatchObject({
      notes: 'before\nthe move',
    })
    const rules = '/nodes/pve/storage/extra/prunebackups'
    expect((await lab.get(rules)).reason).toBe("no prune-backups options configured for storage 'extra'")
    const marks = (await lab.get(`${rules}?prune-backups=keep-daily%3D2`)).data.map(
      (each: { mark: string }) => each.mark,
    )
    expect(marks).toEqual(['remove', 'protected', 'keep', 'keep'])
    expect(await lab.task('DELETE', `${rules}?prune-backups=keep-daily%3D2`)).toBe('OK')
    expect((await lab.get(content)).data).toHaveLength(3)
    expect(await lab.task('DELETE', `${content}/${backup(names[1]!)}`)).toBe(
      `cannot remove protected volume 'backup/vzdump-qemu-100-${names[1]}.vma.zst' on 'extra'`,
    )
  })

  test.each([
    ['local', 'local:iso/a.iso', { notes: 'x' }, 'only backups can have notes'],
    [
      'tank',
      'tank:vm-100-disk-0',
      { protected: 1 },
      "attribute 'protected' is not supported for storage type 'zfspool'",
    ],
  ])('alone have marks: %s', async (storage, volid, marks, reason) => {
    expect((await lab.call('PUT', `/nodes/pve/storage/${storage}/content/${volid}`, marks)).reason).toBe(
      reason,
    )
  })
})

test('storages of the API stay when the lab starts again, and a reset forgets them', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pve-storages-'))
  const cluster = {
    nodes: [{ name: 'pve', online: true }],
    storages: [{ id: 'local', type: 'dir', content: ['iso'] }],
  }
  try {
    const first = await startLab({ dataDir, cluster: cluster as never })
    await first.call('POST', '/storage', { storage: 'extra', type: 'dir', path: '/srv/extra' })
    await first.call('PUT', '/storage/local', { content: 'iso,snippets' })
    await first.server.close()
    const second = await startLab({ dataDir, cluster: cluster as never })
    expect((await second.get('/storage/extra')).data.path).toBe('/srv/extra')
    expect((await second.get('/storage/local')).data.content).toBe('iso,snippets')
    await second.server.reset()
    expect((await second.get('/storage')).data).toMatchObject([{ storage: 'local', content: 'iso' }])
    await second.server.close()
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})
