import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const ANN = tokenHeader('ann@pve!t', 'a7f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a11')

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg:
      'user:ann@pve:1:0::::::\ntoken:ann@pve!t:0:0::\nrole:Backup:VM.Audit,VM.Backup,Datastore.AllocateSpace:\nacl:1:/vms/100:ann@pve:Backup:\nacl:1:/storage:ann@pve:Backup:\n',
    tokenSecrets: { 'ann@pve!t': 'a7f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a11' },
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [
        { id: 'local', type: 'dir', content: ['backup'] },
        { id: 'tank', type: 'dir', content: ['images'] },
        { id: 'thin', type: 'lvmthin', content: ['images'] },
      ],
    },
  })
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  await lab.task('POST', qemu, {
    vmid: 100,
    name: 'web',
    description: 'two\nlines: 100 % ü',
    scsi0: 'tank:1',
    scsi1: 'tank:2,backup=0',
    ide2: 'tank:cloudinit',
    net0: 'virtio,bridge=vmbr0',
    agent: 1,
  })
})

const qemu = '/nodes/pve/qemu'
const backUp = (body: Record<string, unknown>, headers?: Record<string, string>) =>
  lab.task('POST', '/nodes/pve/vzdump', body, headers)
const backups = async () => (await lab.get('/nodes/pve/storage/local/content?content=backup')).data
const archive = async (): Promise<string> => (await backups())[0].volid
const restore = (body: Record<string, unknown>) => lab.task('POST', qemu, body)
const config = async (vmid: number) => (await lab.get(`${qemu}/${vmid}/config`)).data
const log = () => lab.server.admin.tasks().at(-1)!.log

describe('a backup', () => {
  test.each(['0', 'gzip', 'zstd'])(
    'compressed as %s holds options and disks, and restores them',
    async compress => {
      expect(
        await backUp({ vmid: 100, compress, 'notes-template': '{{guestname}} {{vmid}}', storage: 'local' }),
      ).toBe('OK')
      expect(await backups()).toMatchObject([{ vmid: 100, subtype: 'qemu', notes: 'web 100' }])
      const volume = await archive()
      expect(volume).toMatch(
        /^local:backup\/vzdump-qemu-100-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d\.vma(\.gz|\.zst)?$/,
      )
      const text = (await lab.get(`/nodes/pve/vzdump/extractconfig?volume=${volume}`)).data
      expect(text).toContain('#two\n#lines%3A 100 %25 %C3%BC\n')
      expect(text).toContain('#qmdump#map:scsi0:drive-scsi0:tank:raw:\n')
      expect(text).not.toContain('map:scsi1')
      expect(await restore({ vmid: 101, archive: volume, unique: 1, name: 'copy' })).toBe('OK')
      const [before, after] = [await config(100), await config(101)]
      expect(after).toMatchObject({
        name: 'copy',
        description: 'two\nlines: 100 % ü',
        scsi0: 'tank:101/vm-101-disk-0.raw,size=1G',
        ide2: 'tank:101/vm-101-cloudinit.qcow2,media=cdrom',
      })
      expect(after).not.toHaveProperty('scsi1')
      expect(after).not.toHaveProperty('lock')
      for (const key of ['net0', 'smbios1', 'vmgenid']) expect(after[key]).not.toBe(before[key])
      expect(await lab.task('POST', `${qemu}/101/status/start`)).toBe('OK')
    },
  )

  test.each(['snapshot', 'suspend', 'stop'])('of a running VM in mode %s leaves it as it was', async mode => {
    await lab.task('POST', `${qemu}/100/status/start`)
    expect(await backUp({ vmid: 100, mode })).toBe('OK')
    expect((await lab.get(`${qemu}/100/status/current`)).data).toMatchObject({ qmpstatus: 'running' })
    expect((await config(100)).lock).toBeUndefined()
    const disk = await readFile(join(lab.dataDir, 'storage/tank/images/100/vm-100-disk-0.raw'), 'utf8')
    expect(JSON.parse(disk).snapshots ?? {}).toEqual({})
  })

  test('is removed again when the rules no longer keep it', async () => {
    let now = Date.now()
    const clock = await startLab({ now: () => now })
    onTestFinished(() => clock.close())
    await clock.task('POST', qemu, { vmid: 100 })
    const rules = { vmid: 100, storage: 'local', 'prune-backups': 'keep-last=2' }
    for (let minute = 0; minute < 3; minute += 1) {
      now += 60_000
      expect(await clock.task('POST', '/nodes/pve/vzdump', rules)).toBe('OK')
    }
    expect((await clock.get('/nodes/pve/storage/local/content?content=backup')).data).toHaveLength(2)
  })

  test('is refused where a VM has as many as it may, protected or not', async () => {
    await lab.call('PUT', '/storage/local', { 'max-protected-backups': 1 })
    const body = { vmid: 100, storage: 'local' }
    expect(await backUp({ ...body, protected: 1 })).toBe('OK')
    expect(await backUp({ ...body, protected: 1 })).toBe('job errors')
    expect(log()).toContain(
      "ERROR: Backup of VM 100 failed - The number of protected backups per guest is limited to 1 on storage 'local'",
    )
    await lab.call('PUT', `/nodes/pve/storage/local/content/${await archive()}`, { protected: 0 })
    expect(await backUp({ ...body, remove: 0, 'prune-backups': 'keep-last=1' })).toBe('job errors')
    expect(log().some(line => line.includes('There is a max backup limit of 1 enforced'))).toBe(true)
    await lab.call('PUT', '/storage/local', { delete: 'max-protected-backups' })
  })

  test('of one VM that is locked or missing is an error of the job; the others are made', async () => {
    await lab.task('POST', qemu, { vmid: 101, lock: 'migrate' }, await lab.rootTicket())
    expect(await backUp({ vmid: '100,101,999' })).toBe('job errors')
    expect(log()).toContain('ERROR: Backup of VM 101 failed - VM is locked (migrate)')
    expect(log()).toContain("ERROR: Backup of VM 999 failed - unable to find VM '999'")
    expect(await backups()).toHaveLength(1)
  })

  test('needs its privileges', async () => {
    expect(await backUp({ vmid: 100 }, ANN)).toBe('OK')
    await lab.task('POST', qemu, { vmid: 101 })
    expect(await backUp({ vmid: 101 }, ANN)).toBe('403 Permission check failed (/vms/101, VM.Backup)')
    const rooted = await lab.call('POST', '/nodes/pve/vzdump', { vmid: 100, script: '/x' }, ANN)
    expect(rooted.errors).toEqual({ script: 'Only root may set this option.' })
    expect((await lab.get('/nodes/pve/vzdump/defaults', ANN)).data).not.toHaveProperty('dumpdir')
  })

  test.each([
    [{}, { vmid: 'property is missing' }],
    [{ vmid: 100, all: 1 }, { all: "option conflicts with option 'vmid'" }],
    [{ vmid: 100, pool: 'p' }, { pool: "option conflicts with option 'vmid'" }],
    [{ vmid: 100, protected: 1 }, { storage: "missing property required by 'protected'" }],
  ])('of %j is refused', async (body, errors) => {
    expect((await lab.call('POST', '/nodes/pve/vzdump', body)).errors).toEqual(errors)
  })

  test('on a storage for disks fails', async () => {
    expect(await backUp({ vmid: 100, storage: 'tank' })).toBe(
      "could not get storage information for 'tank': can't use storage 'tank' for backups - wrong content type",
    )
  })
})

describe('a restore', () => {
  test('takes a VMID that is in use only by force, and keeps disks that the backup does not have', async () => {
    await backUp({ vmid: 100 })
    const body = { vmid: 100, archive: await archive() }
    expect((await lab.call('POST', qemu, body)).reason).toBe(
      "unable to restore VM 100 - VM 100 already exists on node 'pve'",
    )
    await lab.call('PUT', `${qemu}/100/config`, { cores: 4 })
    await lab.task('PUT', `${qemu}/100/resize`, { disk: 'scsi0', size: '3G' })
    expect(await restore({ ...body, force: 1 })).toBe('OK')
    const after = await config(100)
    expect(after).toMatchObject({
      scsi0: 'tank:100/vm-100-disk-0.raw,size=1G',
      unused0: 'tank:100/vm-100-disk-1.raw',
    })
    expect(after).not.toHaveProperty('cores')
    await lab.call('PUT', `${qemu}/100/config`, { protection: 1 })
    expect(await restore({ ...body, force: 1 })).toBe('unable to restore VM 100 - - protection mode enabled')
  })

  test('puts the disks on another storage, and a template becomes one again', async () => {
    await lab.task('POST', `${qemu}/100/template`)
    await backUp({ vmid: 100 })
    expect(await restore({ vmid: 101, archive: await archive(), storage: 'thin' })).toBe('OK')
    expect(await config(101)).toMatchObject({ template: 1, scsi0: 'thin:base-101-disk-0,size=1G' })
  })

  test('takes no drives and no other volume', async () => {
    await backUp({ vmid: 100 })
    const reply = await lab.call('POST', qemu, { vmid: 101, archive: await archive(), scsi5: 'tank:1' })
    expect(reply.errors).toEqual({ scsi5: "option conflicts with option 'archive'" })
    const disk = { vmid: 101, archive: 'tank:100/vm-100-disk-0.raw' }
    expect((await lab.call('POST', qemu, disk)).reason).toBe(
      "unable to use volume tank:100/vm-100-disk-0.raw - content type needs to be 'backup'",
    )
  })
})
