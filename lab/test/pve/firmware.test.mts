/** UEFI and TPM: what Proxmox makes of them, copies, and says at a start. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterSpec } from '../../pve/core/cluster.mts'
import { startLab, type TestLab } from './client.mts'

const cluster: ClusterSpec = {
  nodes: [{ name: 'pve', online: true }],
  storages: [
    { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
    { id: 'tank', type: 'dir', content: ['images'] },
  ],
}

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({ cluster })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const qemu = '/nodes/pve/qemu'
const uefi = { machine: 'q35', bios: 'ovmf', scsi0: 'tank:1' }
const disks = { efidisk0: 'tank:0,efitype=4m,pre-enrolled-keys=0', tpmstate0: 'tank:0,version=v2.0' }
const create = (body: Record<string, unknown>) => lab.task('POST', qemu, { vmid: 100, ...body })
const config = async (vmid = 100) => (await lab.get(`${qemu}/${vmid}/config`)).data
const volumes = async () =>
  (await lab.get('/nodes/pve/storage/tank/content')).data.map(({ volid }: { volid: string }) => volid).sort()

interface Log {
  status: string
  lines: string[]
}

/** Starts VM 100. @returns how the task ended, and its log. */
async function start(on: TestLab = lab): Promise<Log> {
  const upid = (await on.call('POST', `${qemu}/100/status/start`, {})).data as string
  const path = `/nodes/pve/tasks/${encodeURIComponent(upid)}`
  for (;;) {
    const { data } = await on.get(`${path}/status`)
    if (data.status !== 'stopped') continue
    const log = (await on.get(`${path}/log`)).data as { t: string }[]
    return { status: data.exitstatus, lines: log.map(({ t }) => t) }
  }
}

describe('a start by UEFI', () => {
  test('without a disk for its variables warns that they are temporary', async () => {
    await create(uefi)
    const { status, lines } = await start()
    expect(status).toBe('WARNINGS: 1')
    expect(lines).toContain('WARN: no efidisk configured! Using temporary efivars disk.')
  })

  test('with one says nothing, and neither does a start by BIOS', async () => {
    await create({ ...uefi, ...disks })
    expect((await start()).status).toBe('OK')
    await lab.server.reset()
    await create({ scsi0: 'tank:1', ...disks })
    expect((await start()).status).toBe('OK')
  })

  test.each([
    ['of an unknown age', '', 'WARNINGS: 1'],
    ['of 2011', ',ms-cert=2011', 'WARNINGS: 1'],
    ['of 2023', ',ms-cert=2023k', 'OK'],
  ])("with Microsoft's keys %s ends with its warning", async (_, mark, status) => {
    await create({ ...uefi, efidisk0: `tank:0,efitype=4m,pre-enrolled-keys=1${mark}` })
    const started = await start()
    expect(started.status).toBe(status)
    const warned = started.lines.some(line => line.includes("without 'ms-cert=2023k' option"))
    expect(warned).toBe(status !== 'OK')
  })

  test('on version 8 knows nothing of the age of keys', async () => {
    const old = await startLab({ cluster, version: 8 })
    const body = { vmid: 100, ...uefi, efidisk0: 'tank:0,efitype=4m,pre-enrolled-keys=1' }
    await old.task('POST', qemu, body)
    expect((await start(old)).status).toBe('OK')
    await old.close()
  })
})

describe('the disks of firmware and TPM', () => {
  test('are copied by a full clone, and of a linked one the TPM alone is a copy', async () => {
    await create({ ...uefi, ...disks })
    await lab.task('POST', `${qemu}/100/clone`, { newid: 101 })
    expect(await config(101)).toMatchObject({
      machine: 'q35',
      bios: 'ovmf',
      efidisk0: 'tank:101/vm-101-disk-0.raw,efitype=4m,pre-enrolled-keys=0,size=528K',
      tpmstate0: 'tank:101/vm-101-disk-2.raw,size=4M,version=v2.0',
    })
    await lab.task('POST', `${qemu}/100/template`, {})
    await lab.task('POST', `${qemu}/100/clone`, { newid: 102, full: 0 })
    const linked = await config(102)
    expect(linked.efidisk0).toMatch(/^tank:100\/base-100-disk-\d\.raw\/102\/vm-102-disk-0\.qcow2,/)
    expect(linked.tpmstate0).toMatch(/^tank:102\/vm-102-disk-\d\.raw,/)
  })

  test('go with their VM', async () => {
    await create({ ...uefi, ...disks })
    expect(await volumes()).toHaveLength(3)
    await lab.task('DELETE', `${qemu}/100`)
    expect(await volumes()).toEqual([])
  })
})
