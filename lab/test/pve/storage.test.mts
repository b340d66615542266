import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ROOT_TOKEN, startLab, type TestLab, tokenHeader } from './client.mts'

/** The header of a qcow2 image of 2 GiB, and nothing else of one. */
function qcow2(): Buffer {
  const header = Buffer.alloc(104)
  header.write('QFI\xfb', 0, 'latin1')
  header.writeUInt32BE(3, 4)
  header.writeBigUInt64BE(2n * 1024n ** 3n, 24)
  return header
}

const IMAGE = qcow2()
const SHA256 = createHash('sha256').update(IMAGE).digest('hex')
const SECRET = '0f8c4a0e-6f0a-4d7e-9d39-2a4f5a1f9f10'
const ann = tokenHeader('ann@pve!all', SECRET)

let lab: TestLab
let web: Server
let imageUrl: string

beforeAll(async () => {
  web = createServer((request, response) => {
    if (request.url !== '/debian.qcow2') return response.writeHead(404).end()
    const headers = { 'content-type': 'application/octet-stream', 'content-length': IMAGE.length }
    return response.writeHead(200, headers).end(IMAGE)
  })
  await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
  imageUrl = `http://127.0.0.1:${(web.address() as AddressInfo).port}/debian.qcow2`
  lab = await startLab({
    userCfg: 'user:ann@pve:1:0::::::\ntoken:ann@pve!all:0:0::\n',
    tokenSecrets: { 'ann@pve!all': SECRET },
  })
})
afterAll(async () => {
  web.close()
  await lab.close()
})
beforeEach(() => lab.server.reset())

const local = '/nodes/pve/storage/local'
const contentOf = async (headers = undefined as never) =>
  (await lab.get(`${local}/content`, headers)).data.map((entry: { volid: string }) => entry.volid).sort()

describe('download-url', () => {
  const download = (more = {}) =>
    lab.task('POST', `${local}/download-url`, {
      content: 'import',
      filename: 'debian.qcow2',
      url: imageUrl,
      ...more,
    })

  test('puts the file in place once its checksum is right', async () => {
    expect(await download({ checksum: SHA256.toUpperCase(), 'checksum-algorithm': 'sha256' })).toBe('OK')
    const [entry] = (await lab.get(`${local}/content?content=import`)).data
    expect(entry).toMatchObject({ volid: 'local:import/debian.qcow2', format: 'qcow2', size: IMAGE.length })
    const found = (await lab.get(`${local}/content/${encodeURIComponent('local:import/debian.qcow2')}`)).data
    expect(found.path).toBe('/var/lib/vz/import/debian.qcow2')
    expect(await readFile(join(lab.dataDir, 'storage/local/import/debian.qcow2'))).toEqual(IMAGE)
  })

  test('leaves nothing behind when it is wrong', async () => {
    const wrong = 'f'.repeat(64)
    expect(await download({ checksum: wrong, 'checksum-algorithm': 'sha256' })).toBe(
      `checksum mismatch: got '${SHA256}' != expect '${wrong}'`,
    )
    expect(await readdir(join(lab.dataDir, 'storage/local/import'))).toEqual([])
  })

  test('never overwrites, but takes a right file that is there', async () => {
    await download()
    expect(await download()).toMatch(/^refusing to override existing file '.*debian\.qcow2'$/)
    expect(await download({ checksum: SHA256, 'checksum-algorithm': 'sha256' })).toBe('OK')
  })

  test('fails in the task when the server has no such file', async () => {
    expect(await download({ url: `${imageUrl}.gone` })).toBe('download failed: exit code 8')
    expect(await contentOf()).toEqual([])
  })

  test.each([
    [{ filename: 'debian.img' }, { filename: 'invalid filename or wrong extension' }],
    [{ content: 'iso', filename: 'debian.qcow2' }, { filename: 'wrong file extension' }],
    [{ checksum: SHA256 }, { 'checksum-algorithm': "missing property required by 'checksum'" }],
    [{ url: 'ftp://example.com/x' }, { url: 'value does not match the regex pattern' }],
    [
      { content: 'images' },
      { content: "value 'images' does not have a value in the enumeration 'iso, vztmpl, import'" },
    ],
  ])('refuses %j', async (more, errors) => {
    const body = { content: 'import', filename: 'debian.qcow2', url: imageUrl, ...more }
    expect((await lab.call('POST', `${local}/download-url`, body)).errors).toEqual(errors)
  })

  test('needs a right to reach out, one way or the other', async () => {
    const post = () => lab.call('POST', `${local}/download-url`, { nonsense: 1 }, ann)
    const grant = async (path: string, privs: string) => {
      const roleid = `R${privs.replace(/\W/g, '')}`
      await lab.call('POST', '/access/roles', { roleid, privs })
      await lab.call('PUT', '/access/acl', { path, roles: roleid, users: 'ann@pve' })
    }
    expect((await post()).reason).toBe('Permission check failed (/storage/local, Datastore.AllocateTemplate)')
    await grant('/storage/local', 'Datastore.AllocateTemplate')
    expect((await post()).reason).toBe('Permission check failed')
    await grant('/nodes/pve', 'Sys.AccessNetwork')
    expect((await post()).status).toBe(400)
  })

  test('what a URL holds is told before', async () => {
    const query = (url: string) => lab.get(`/nodes/pve/query-url-metadata?url=${encodeURIComponent(url)}`)
    expect((await query(imageUrl)).data).toEqual({
      filename: 'debian.qcow2',
      size: IMAGE.length,
      mimetype: 'application/octet-stream',
    })
    expect((await query(`${imageUrl}.gone`)).reason).toBe("invalid server response: '404 Not Found'")
  })
})

describe('upload', () => {
  async function upload(filename: string, content: string, fields: Record<string, string> = {}) {
    const form = new FormData()
    form.set('content', content)
    for (const [key, value] of Object.entries(fields)) form.set(key, value)
    form.set('filename', new Blob([Uint8Array.from(IMAGE)]), filename)
    const encoded = new Response(form)
    const headers = {
      ...tokenHeader('root@pam!test', ROOT_TOKEN),
      'content-type': encoded.headers.get('content-type')!,
    }
    return lab.call('POST', `${local}/upload`, Buffer.from(await encoded.arrayBuffer()), headers)
  }

  test('arrives byte for byte, over an older one of its name', async () => {
    const reply = await upload('seed.iso', 'iso')
    expect(reply.data).toMatch(/:imgcopy::root@pam!test:$/)
    await lab.server.admin.settled()
    await upload('seed.iso', 'iso')
    await lab.server.admin.settled()
    expect(await contentOf()).toEqual(['local:iso/seed.iso'])
    expect(await readFile(join(lab.dataDir, 'storage/local/template/iso/seed.iso'))).toEqual(IMAGE)
  })

  test('with a wrong checksum is a failed task and no file', async () => {
    const { data } = await upload('seed.iso', 'iso', {
      'checksum-algorithm': 'sha256',
      checksum: 'f'.repeat(64),
    })
    const { exitstatus } = (await lab.get(`/nodes/pve/tasks/${encodeURIComponent(data)}/status`)).data
    expect(exitstatus).toMatch(/^checksum mismatch/)
    expect(await contentOf()).toEqual([])
  })

  test.each([
    ['the checksum before its algorithm', { checksum: 'a', 'checksum-algorithm': 'sha256' }],
    ['an unknown field', { overwrite: '1' }],
  ])('%s is a bad request without a body', async (_, fields) => {
    const reply = await upload('seed.iso', 'iso', fields)
    expect([reply.status, reply.reason, reply.body]).toEqual([400, 'Bad Request', ''])
    expect(await contentOf()).toEqual([])
  })

  test('of another file than its name says is a failed task', async () => {
    const { data } = await upload('seed.vmdk', 'import')
    const { exitstatus } = (await lab.get(`/nodes/pve/tasks/${encodeURIComponent(data)}/status`)).data
    expect(exitstatus).toMatch(/^qemu-img: Could not open '.*pveupload-.*': invalid VMDK image descriptor$/)
    expect(await contentOf()).toEqual([])
  })

  test('leaves no temporary file, whether taken or refused', async () => {
    expect((await upload('seed.txt', 'iso')).errors).toEqual({ filename: 'wrong file extension' })
    await upload('seed.iso', 'iso')
    await lab.server.admin.settled()
    expect(await readdir(join(lab.dataDir, 'uploads'))).toEqual([])
  })
})

describe('an imported disk', () => {
  test('has the size its image has, and the image stays', async () => {
    await mkdir(join(lab.dataDir, 'storage/local/import'), { recursive: true })
    await writeFile(join(lab.dataDir, 'storage/local/import/debian.qcow2'), IMAGE)
    const created = await lab.task('POST', '/nodes/pve/qemu', {
      vmid: 100,
      scsi0: 'tank:0,import-from=local:import/debian.qcow2,discard=on',
    })
    expect(created).toBe('OK')
    expect(lab.server.admin.vmConfig(100)!['scsi0']).toBe('tank:vm-100-disk-0,discard=on,size=2G')
    expect(await contentOf()).toEqual(['local:import/debian.qcow2'])
  })

  test('of an unreadable image fails the task and leaves no VM', async () => {
    await mkdir(join(lab.dataDir, 'storage/local/import'), { recursive: true })
    await writeFile(join(lab.dataDir, 'storage/local/import/broken.qcow2'), 'not an image')
    const settings = { vmid: 100, scsi0: 'tank:0,import-from=local:import/broken.qcow2' }
    expect(await lab.task('POST', '/nodes/pve/qemu', settings)).toBe(
      "unable to create VM 100 - qemu-img: Could not open '/var/lib/vz/import/broken.qcow2': Image is not in qcow2 format",
    )
    expect((await lab.get('/nodes/pve/storage/tank/content')).data).toEqual([])
  })
})

describe('content', () => {
  test('snippets are only shown to who may allocate', async () => {
    await mkdir(join(lab.dataDir, 'storage/local/snippets'), { recursive: true })
    await writeFile(join(lab.dataDir, 'storage/local/snippets/user.yaml'), '#cloud-config\n')
    expect(await contentOf()).toEqual(['local:snippets/user.yaml'])
    await lab.call('PUT', '/access/acl', { path: '/storage', roles: 'PVEDatastoreUser', users: 'ann@pve' })
    expect(await contentOf(ann as never)).toEqual([])
  })

  test('a disk and a file go, even if a VM names the disk', async () => {
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, scsi0: 'tank:1' })
    const remove = (storage: string, volid: string) =>
      lab.task('DELETE', `/nodes/pve/storage/${storage}/content/${encodeURIComponent(volid)}`)
    expect(await remove('tank', 'tank:vm-100-disk-0')).toBe('OK')
    await writeFile(join(lab.dataDir, 'storage/local/template/iso/x.iso'), 'x')
    expect(await remove('local', 'local:iso/x.iso')).toBe('OK')
    expect(await contentOf()).toEqual([])
  })

  test('the path for snippets is told to who administers the storage', async () => {
    expect((await lab.get('/storage/local')).data).toMatchObject({
      type: 'dir',
      path: '/var/lib/vz',
      content: expect.stringContaining('snippets'),
    })
    expect((await lab.get('/storage/none')).reason).toBe("storage 'none' does not exist")
  })
})

test('a disk moves to another storage, and the original stays until it is removed', async () => {
  const two = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [
        { id: 'one', type: 'zfspool', content: ['images'] },
        { id: 'two', type: 'dir', content: ['images'] },
      ],
    },
  })
  try {
    await two.task('POST', '/nodes/pve/qemu', { vmid: 100, scsi0: 'one:1' })
    const move = (disk: string, storage: string, more = {}) =>
      two.task('POST', '/nodes/pve/qemu/100/move_disk', { disk, storage, ...more })
    expect(await move('scsi0', 'two')).toBe('OK')
    expect(two.server.admin.vmConfig(100)).toMatchObject({
      scsi0: 'two:100/vm-100-disk-0.raw,size=1G',
      unused0: 'one:vm-100-disk-0',
    })
    expect(await move('scsi0', 'one', { delete: 1 })).toBe('OK')
    expect(two.server.admin.vmConfig(100)).toMatchObject({ scsi0: 'one:vm-100-disk-1,size=1G' })
  } finally {
    await two.close()
  }
})
