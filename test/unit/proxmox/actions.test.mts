import { describe, expect, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { convertToTemplate } from '../../../scripts/lib/proxmox/convert-to-template.mts'
import { createVm } from '../../../scripts/lib/proxmox/create-vm.mts'
import { deleteVm } from '../../../scripts/lib/proxmox/delete-vm.mts'
import { deleteVolume } from '../../../scripts/lib/proxmox/delete-volume.mts'
import { downloadUrl } from '../../../scripts/lib/proxmox/download-url.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import { getPermissions } from '../../../scripts/lib/proxmox/get-permissions.mts'
import { getVersion } from '../../../scripts/lib/proxmox/get-version.mts'
import { getVmConfig } from '../../../scripts/lib/proxmox/get-vm-config.mts'
import { findVmStatus, getVmStatus } from '../../../scripts/lib/proxmox/get-vm-status.mts'
import { isVmidFree } from '../../../scripts/lib/proxmox/is-vmid-free.mts'
import { listStorages } from '../../../scripts/lib/proxmox/list-storages.mts'
import { describeVms, listVmPlaces, listVms, listVmsOf } from '../../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../../scripts/lib/proxmox/list-volumes.mts'
import { startVm } from '../../../scripts/lib/proxmox/start-vm.mts'
import { stopVm } from '../../../scripts/lib/proxmox/stop-vm.mts'
import { waitForTask } from '../../../scripts/lib/proxmox/task.mts'
import { updateVmConfig } from '../../../scripts/lib/proxmox/update-vm-config.mts'
import { deleteUnfinished } from '../../../scripts/lib/site/remove-leftovers.mts'
import { failureOf } from '../failure.mts'

type Ask = ProxmoxClient['request']

/** A client whose answers are `answer`'s; `asked` has one `METHOD PATH PARAMETERS` per request. */
function recording(answer: (path: string, nth: number) => unknown): {
  client: ProxmoxClient
  asked: string[]
} {
  const asked: string[] = []
  const request: Ask = async (method, path, parameters) => {
    asked.push(`${method} ${path}${parameters === undefined ? '' : ` ${JSON.stringify(parameters)}`}`)
    return answer(path, asked.length) as never
  }
  const upload = () => Promise.reject(new Error('nothing is uploaded here'))
  return {
    asked,
    client: {
      identity: 'terraform@pve!t',
      url: 'https://pve:8006/api2/json',
      request,
      upload,
      time: async () => undefined,
    },
  }
}

/** Proxmox's refusal of any request. */
const refusing = (status: number, reason: string) =>
  recording(path => {
    throw apiError({ method: 'GET', path, identity: 'terraform@pve!t', status, reason, body: '' })
  }).client

const vm = { node: 'pve', vmid: 100 }
const storage = { node: 'pve', storage: 'local' }

describe('what each action asks of Proxmox', () => {
  test.each<[string, (client: ProxmoxClient) => Promise<unknown>, string]>([
    ['listVmPlaces', listVmPlaces, 'GET /cluster/resources {"type":"vm"}'],
    ['listVmsOf', client => listVmsOf(client, 'pve'), 'GET /nodes/pve/qemu'],
    ['listStorages', client => listStorages(client, 'pve'), 'GET /nodes/pve/storage'],
    [
      'listVolumes',
      client => listVolumes(client, storage, 'iso'),
      'GET /nodes/pve/storage/local/content {"content":"iso"}',
    ],
    [
      'deleteVolume',
      client => deleteVolume(client, storage, 'local:iso/a b.iso'),
      'DELETE /nodes/pve/storage/local/content/local%3Aiso%2Fa%20b.iso',
    ],
    [
      'downloadUrl',
      client =>
        downloadUrl(client, storage, {
          url: 'https://images.example.net/a.qcow2',
          filename: 'a.qcow2',
          content: 'import',
          checksum: 'abc',
          checksumAlgorithm: 'sha512',
        }),
      'POST /nodes/pve/storage/local/download-url {"content":"import","filename":"a.qcow2","url":"https://images.example.net/a.qcow2","checksum":"abc","checksum-algorithm":"sha512"}',
    ],
    ['createVm', client => createVm(client, 'pve', { vmid: 100 }), 'POST /nodes/pve/qemu {"vmid":100}'],
    ['getVmConfig', client => getVmConfig(client, vm), 'GET /nodes/pve/qemu/100/config'],
    [
      'updateVmConfig',
      client => updateVmConfig(client, vm, { delete: 'ide2' }),
      'PUT /nodes/pve/qemu/100/config {"delete":"ide2"}',
    ],
    ['getVmStatus', client => getVmStatus(client, vm), 'GET /nodes/pve/qemu/100/status/current'],
    ['startVm', client => startVm(client, vm), 'POST /nodes/pve/qemu/100/status/start'],
    ['stopVm', client => stopVm(client, vm), 'POST /nodes/pve/qemu/100/status/stop'],
    ['convertToTemplate', client => convertToTemplate(client, vm), 'POST /nodes/pve/qemu/100/template'],
    ['deleteVm', client => deleteVm(client, vm), 'DELETE /nodes/pve/qemu/100 {"purge":1}'],
    [
      'deleteVm with disks that no config names',
      client => deleteVm(client, vm, { unreferenced: true }),
      'DELETE /nodes/pve/qemu/100 {"purge":1,"destroy-unreferenced-disks":1}',
    ],
    ['getPermissions', client => getPermissions(client), 'GET /access/permissions {}'],
    [
      'getPermissions of another user on one path',
      client => getPermissions(client, { path: '/vms', userid: 'jo@pve' }),
      'GET /access/permissions {"path":"/vms","userid":"jo@pve"}',
    ],
    ['isVmidFree', client => isVmidFree(client, 100), 'GET /cluster/nextid {"vmid":100}'],
  ])('%s', async (_, act, expected) => {
    const isObject = /\/config|\/current|\/permissions/.test(expected)
    const { client, asked } = recording(() => (isObject ? { status: 'stopped' } : []))
    await act(client)
    expect(asked).toEqual([expected])
  })
})

describe('what each action makes of the answer', () => {
  test('VMs alone, no containers', async () => {
    const resources = [
      { type: 'qemu', vmid: 100, node: 'pve', status: 'running' },
      { type: 'lxc', vmid: 101, node: 'pve', status: 'running' },
    ]
    expect(await listVmPlaces(recording(() => resources).client)).toEqual([{ vmid: 100, node: 'pve' }])
  })

  test('names, status and template flags are those of the nodes, which are asked once each', async () => {
    const lists: Record<string, unknown> = {
      '/cluster/resources': [
        { type: 'qemu', vmid: 100, node: 'pve', status: 'running', name: 'deleted', template: 1, tags: 'a' },
        { type: 'qemu', vmid: 101, node: 'pve', status: 'unknown' },
        { type: 'qemu', vmid: 102, node: 'pve2', status: 'running', name: 'moved' },
        { type: 'qemu', vmid: 103, node: 'off', status: 'unknown' },
      ],
      '/nodes/pve/qemu': [
        { vmid: 100, name: 'web', status: 'stopped', tags: 'a' },
        { vmid: 101, name: 'base', status: 'stopped', template: 1 },
        { vmid: 102, name: 'moved', status: 'running' },
      ],
      '/nodes/pve2/qemu': [],
    }
    const { client, asked } = recording(path => {
      const answer = lists[path]
      if (answer !== undefined) return answer
      throw apiError({
        method: 'GET',
        path,
        identity: 'x',
        status: 595,
        reason: 'No route to host',
        body: '',
      })
    })
    expect(await listVms(client)).toEqual([
      { vmid: 100, node: 'pve', name: 'web', status: 'stopped', tags: 'a' },
      { vmid: 101, node: 'pve', name: 'base', status: 'stopped', template: 1 },
      { vmid: 102, node: 'pve2', status: 'unknown' },
      { vmid: 103, node: 'off', status: 'unknown' },
    ])
    expect(asked.slice(1)).toEqual(['GET /nodes/pve/qemu', 'GET /nodes/pve2/qemu', 'GET /nodes/off/qemu'])
  })

  test('a node that refuses to list its VMs is a failure, not a node without VMs', async () => {
    const client = refusing(403, 'Permission check failed')
    expect((await failureOf(() => describeVms(client, [vm]))).message).toContain('403')
  })

  test('nothing is asked about no VM', async () => {
    const { client, asked } = recording(() => [])
    expect([await describeVms(client, []), asked]).toEqual([[], []])
  })

  test.each([
    ['9.1.2', 9, 1],
    ['8.4', 8, 4],
    ['10.0.0~beta1', 10, 0],
  ])('version %s', async (version, major, minor) => {
    const { client } = recording(() => ({ version, release: '9.1' }))
    expect(await getVersion(client)).toEqual({ version, major, minor })
  })

  test('a VMID that is free', async () => {
    expect(await isVmidFree(recording(() => '100').client, 100)).toBe(true)
  })

  test('a VMID that is taken', async () => {
    expect(await isVmidFree(refusing(400, 'Parameter verification failed.'), 100)).toBe(false)
  })

  test('a VM that does not exist', async () => {
    const missing = refusing(500, "Configuration file 'nodes/pve/qemu-server/100.conf' does not exist")
    expect(await findVmStatus(missing, vm)).toBeUndefined()
  })

  test.each<[string, (client: ProxmoxClient) => Promise<unknown>]>([
    ['no missing VM', client => findVmStatus(client, vm)],
    ['no taken VMID', client => isVmidFree(client, 100)],
  ])('a missing privilege is %s', async (_, act) => {
    const denied = refusing(403, 'Permission check failed (/vms/100, VM.Audit)')
    expect((await failureOf(() => act(denied))).exitCode).toBe(4)
  })

  test('nor where the refusal speaks of something that does not exist', async () => {
    const denied = refusing(403, "user 'jo@pve' does not exist")
    expect((await failureOf(() => findVmStatus(denied, vm))).exitCode).toBe(4)
  })

  test.each<[string, (client: ProxmoxClient) => Promise<unknown>]>([
    ['no missing VM', client => findVmStatus(client, vm)],
    ['no taken VMID', client => isVmidFree(client, 100)],
  ])('another failure is %s', async (_, act) => {
    expect((await failureOf(() => act(refusing(500, 'got timeout')))).message).toContain('500 got timeout')
  })
})

describe('waiting for a task', () => {
  const upid = 'UPID:pve:0000A1B2:00C3D4E5:65A1B2C3:qmclone:9000:terraform@pve!t:'
  const path = `/nodes/pve/tasks/${encodeURIComponent(upid)}`

  /** A task that ends with `exit` at its `polls`-th status; its log grows by a line a poll. */
  function task(polls: number, exit: string | undefined) {
    let status = 0
    return recording(asked => {
      if (asked.endsWith('/log'))
        return Array.from({ length: status }, (_, i) => ({ n: i + 1, t: `line ${i + 1}` }))
      status++
      return status < polls ? { status: 'running' } : { status: 'stopped', exitstatus: exit }
    })
  }

  test.each(['OK', 'WARNINGS: 2'])('%s is success, and nothing more is asked', async exit => {
    const { client, asked } = task(1, exit)
    await waitForTask(client, upid, { timeoutMs: 1000 })
    expect(asked).toEqual([`GET ${path}/status`])
  })

  test('its log is followed', async () => {
    const { client, asked } = task(3, 'OK')
    const lines: string[] = []
    await waitForTask(client, upid, { timeoutMs: 5000, onLog: line => lines.push(line) })
    expect(lines).toEqual(['line 1', 'line 2'])
    expect(asked.at(-1)).toBe(`GET ${path}/status`)
  })

  test('a failure: its own words, and the end of its log', async () => {
    const exit = "can't lock file '/var/lock/qemu-server/lock-9900.conf' - got timeout"
    const { client } = task(2, exit)
    expect(await failureOf(() => waitForTask(client, upid, { timeoutMs: 5000 }))).toEqual({
      message: `task qmclone of 9000 failed: ${exit}`,
      hint: expect.stringContaining('under Tasks of the node pve'),
      exitCode: 1,
      facts: { log: 'line 1 | line 2', upid },
    })
  })

  test('a task of no VM', async () => {
    const download = 'UPID:pve:0000A1B2:00C3D4E5:65A1B2C3:download::terraform@pve:'
    const { client } = task(1, 'checksum mismatch')
    expect((await failureOf(() => waitForTask(client, download, { timeoutMs: 1000 }))).message).toBe(
      'task download failed: checksum mismatch',
    )
  })

  test('the time is over', async () => {
    const { client } = task(Number.POSITIVE_INFINITY, undefined)
    expect(await failureOf(() => waitForTask(client, upid, { timeoutMs: 50 }))).toEqual({
      message: 'task qmclone of 9000 did not end within 0.05 s',
      hint: 'it goes on in Proxmox; look at it under Tasks, and raise task_timeout_seconds if the storage is slow',
      exitCode: 1,
      facts: { upid },
    })
  })

  test('an interruption', async () => {
    const { client } = task(Number.POSITIVE_INFINITY, undefined)
    const options = { timeoutMs: 5000, signal: AbortSignal.abort() }
    expect(await failureOf(() => waitForTask(client, upid, options))).toMatchObject({
      message: 'interrupted: task qmclone of 9000',
      exitCode: 130,
    })
  })

  test('one that ended all the same before the interruption is done', async () => {
    const { client } = task(1, 'OK')
    await waitForTask(client, upid, { timeoutMs: 5000, signal: AbortSignal.abort() })
  })
})

test.each<[string, object, boolean]>([
  ['a clone that was interrupted', { name: 'debian-1', lock: 'clone', ide2: 'none,media=cdrom' }, true],
  ['one that was finished', { name: 'debian-1', scsi0: 'tank:vm-100-disk-0,size=1G' }, false],
])('whether disks that no config names go too: %s', async (_, config, unreferenced) => {
  const { client, asked } = recording(path => (path.endsWith('/config') ? config : 'UPID'))
  await deleteUnfinished(client, { node: 'pve', vmid: 100 })
  expect(asked[1]?.includes('"destroy-unreferenced-disks":1')).toBe(unreferenced)
})
