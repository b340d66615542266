/** Ways out of the lab's folder: names that clients choose, paths of images, and links that a client of SSH made. */

import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Headers, startLab, type TestLab } from './client.mts'

let lab: TestLab
let root: Headers
beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [
        { id: 'local', type: 'dir', content: ['iso', 'backup', 'import'] },
        { id: 'files', type: 'dir', content: ['images'] },
        { id: 'thin', type: 'lvmthin', content: ['images'] },
        { id: 'zfs', type: 'zfspool', content: ['images'] },
      ],
    },
  })
  root = await lab.rootTicket()
  await writeFile(join(lab.dataDir, 'outside.raw'), Buffer.alloc(1024, 'secret of the host'))
})
afterAll(() => lab.close())

const content = (storage: string) => `/nodes/pve/storage/${storage}/content`
const folder = (name: string) => join(lab.dataDir, 'storage/local', name)

describe('the name of a new disk', () => {
  test.each([
    ['thin', 'vm-100-/../../../evil', 'Logical volume name "vm-100-/../../../evil" is invalid.'],
    ['zfs', 'vm-100-/../../../evil', "cannot create 'zfs/vm-100-/../../../evil': parent does not exist"],
    ['zfs', 'vm-100-a:b%', "cannot create 'zfs/vm-100-a:b%': invalid character '%' in name"],
  ])('on %s is refused if it is %s', async (storage, filename, text) => {
    const reply = await lab.call('POST', content(storage), { vmid: 100, filename, size: '1M' })
    expect(reply).toMatchObject({ status: 500, reason: expect.stringContaining(text) })
    expect((await lab.get(content(storage))).data).toEqual([])
    expect((await readdir(lab.dataDir)).filter(name => name.includes('evil'))).toEqual([])
  })
})

describe('an image to import', () => {
  const importFrom = async (path: string) => {
    const body = { vmid: 300, scsi0: `thin:0,import-from=${path}` }
    const reply = await lab.call('POST', '/nodes/pve/qemu', body, root)
    await lab.server.admin.settled()
    return reply.status === 200 ? lab.server.admin.tasks().at(-1)!.exitstatus : reply.reason
  }

  test('is one of the node', async () => {
    await writeFile(folder('inside.raw'), Buffer.alloc(1024))
    expect(await importFrom('/var/lib/vz/inside.raw')).toBe('OK')
    await lab.task('DELETE', '/nodes/pve/qemu/300')
  })

  test.each([
    ['a path with dots', () => '/var/lib/vz/../../outside.raw'],
    ['the path of the lab itself', () => join(lab.dataDir, 'storage/local//../../outside.raw')],
    ['a path outside', () => join(lab.dataDir, 'outside.raw')],
    ['a link', () => '/var/lib/vz/link.raw'],
  ])('is not there by %s', async (_, path) => {
    await symlink(join(lab.dataDir, 'outside.raw'), folder('link.raw')).catch(() => undefined)
    expect(await importFrom(path())).toMatch(/can't find file|failed to stat/)
    expect(lab.server.admin.vmids()).toEqual([])
  })
})

test('notes of a backup are not read or written through a link', async () => {
  const name = 'vzdump-qemu-100-2026_01_01-00_00_00.vma'
  const path = `${content('local')}/local:backup/${name}`
  await writeFile(folder(`dump/${name}`), 'backup')
  await symlink(join(lab.dataDir, 'outside.raw'), folder(`dump/${name}.notes`))
  expect((await lab.get(path)).body).not.toContain('secret')
  expect((await lab.get(content('local'))).body).not.toContain('secret')
  expect((await lab.call('PUT', path, { notes: 'changed' })).status).toBe(200)
  expect((await lab.get(path)).data).toMatchObject({ notes: 'changed' })
  expect((await readdir(lab.dataDir)).includes('outside.raw')).toBe(true)
})

test.each([
  ['Backing file name too long', 104n, 2 ** 32 - 1],
  ['Invalid backing file offset', 2n ** 63n, 8],
])('an image is not read where its header leads: %s', async (text, offset, length) => {
  const header = Buffer.alloc(512)
  header.write('QFI\xfb', 'latin1')
  header.writeUInt32BE(2, 4)
  header.writeBigUInt64BE(offset, 8)
  header.writeUInt32BE(length, 16)
  await writeFile(folder('import/long.qcow2'), header)
  const body = { vmid: 301, scsi0: 'thin:0,import-from=local:import/long.qcow2' }
  expect(await lab.task('POST', '/nodes/pve/qemu', body)).toContain(text)
})

describe('a link that a client of SSH left', () => {
  const images = () => join(lab.dataDir, 'storage/files/images')
  const outside = () => join(lab.dataDir, 'outside')
  const create = (vmid: number) => lab.task('POST', '/nodes/pve/qemu', { vmid, scsi0: 'files:1' })

  beforeAll(() => mkdir(outside()))
  afterEach(async () => {
    for (const vmid of [400, 401]) {
      await rm(join(images(), String(vmid)), { recursive: true, force: true })
      if (lab.server.admin.vmids().includes(vmid)) await lab.task('DELETE', `/nodes/pve/qemu/${vmid}`)
    }
  })

  test('in the place of the folder of a VM leads no new disk out of the storage', async () => {
    await mkdir(images(), { recursive: true })
    await symlink(outside(), join(images(), '400'))
    expect(await create(400)).toContain('Too many levels of symbolic links')
    expect(await readdir(outside())).toEqual([])
  })

  test('in the place of a disk is neither read, nor written, nor followed at the end', async () => {
    expect(await create(401)).toBe('OK')
    const disk = join(images(), '401/vm-401-disk-0.raw')
    await rm(disk)
    await writeFile(join(outside(), 'theirs'), 'theirs')
    await symlink(join(outside(), 'theirs'), disk)
    const vm = '/nodes/pve/qemu/401'
    const refused = expect.stringContaining('Too many levels of symbolic links')
    expect(await lab.task('PUT', `${vm}/resize`, { disk: 'scsi0', size: '+1G' })).toEqual(refused)
    expect(await lab.task('POST', `${vm}/status/start`)).toEqual(refused)
    expect(await lab.task('POST', `${vm}/clone`, { newid: 402, full: 1 })).toEqual(refused)
    expect(await lab.task('DELETE', vm)).toBe('OK')
    expect(await readFile(join(outside(), 'theirs'), 'utf8')).toBe('theirs')
  })
})
