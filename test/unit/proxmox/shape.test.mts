/** Answers of something else than Proxmox VE: of another shape, too long, or without an end. */
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type ProxmoxClient, tokenClient } from '../../../scripts/lib/proxmox/client.mts'
import { getGuestAddresses } from '../../../scripts/lib/proxmox/get-guest-addresses.mts'
import { getNodeAddress } from '../../../scripts/lib/proxmox/get-node-address.mts'
import { getPermissions } from '../../../scripts/lib/proxmox/get-permissions.mts'
import { getVersion } from '../../../scripts/lib/proxmox/get-version.mts'
import { getVmConfig } from '../../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../../scripts/lib/proxmox/get-vm-status.mts'
import { listBridges } from '../../../scripts/lib/proxmox/list-bridges.mts'
import { listFailedTasks } from '../../../scripts/lib/proxmox/list-failed-tasks.mts'
import { listNodeStorages, listNodes } from '../../../scripts/lib/proxmox/list-nodes.mts'
import { listStorages } from '../../../scripts/lib/proxmox/list-storages.mts'
import { listVms } from '../../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../../scripts/lib/proxmox/list-volumes.mts'
import { waitForTask } from '../../../scripts/lib/proxmox/task.mts'
import { failureOf } from '../failure.mts'
import { type Certificate, httpsServer, serverCertificate } from './https-server.mts'

const token = { user: 'a@pve', tokenId: 'b', tokenSecret: 'c0ffee00-1111-4222-8333-444455556666' }
const vm = { node: 'pve', vmid: 100 }
const storage = { node: 'pve', storage: 'local' }

let certificate: Certificate
beforeAll(async () => {
  certificate = await serverCertificate()
})

const operations: Record<string, (client: ProxmoxClient) => Promise<unknown>> = {
  getVersion,
  listVms,
  listNodes,
  listNodeStorages,
  listStorages: client => listStorages(client, 'pve'),
  listVolumes: client => listVolumes(client, storage, 'iso'),
  listBridges: client => listBridges(client, 'pve'),
  listFailedTasks: client => listFailedTasks(client, 'pve', { type: 'qmclone', since: 0 }),
  getNodeAddress: client => getNodeAddress(client, 'pve'),
  getVmConfig: client => getVmConfig(client, vm),
  getVmStatus: client => getVmStatus(client, vm),
  getPermissions,
  waitForTask: client => waitForTask(client, 'UPID:pve:1:2:3:qmclone:100:root@pam:', { timeoutMs: 100 }),
}

test.each([null, {}, [], ''])('the id of a task that is %j', async upid => {
  const client = { request: async () => ({}) } as unknown as ProxmoxClient
  const failure = await failureOf(() => waitForTask(client, upid as string, { timeoutMs: 100 }))
  expect(failure.message).toBe('the id of a task: the answer is not what Proxmox VE gives')
})

const bodies = [
  '{"data":null}',
  '{}',
  '[]',
  '{"data":"x"}',
  '{"data":7}',
  '{"data":[null]}',
  '<html><body>Welcome to nginx</body></html>',
]

describe.each(Object.entries(operations))('%s', (_, operation) => {
  test.each(bodies)('an answer %s is a failure of ours, with what to check', async body => {
    const { url } = await httpsServer(certificate, () => ({ body }))
    const failure = await failureOf(() => operation(tokenClient({ url, skipTlsVerify: true }, token)))
    expect(failure.exitCode).toBe(3)
    expect(failure.hint).toContain('proxmox_url')
    expect(JSON.stringify(failure)).not.toContain('defect')
  })
})

test('a list whose elements lack a key, and a version that is a number', async () => {
  const { url } = await httpsServer(certificate, ({ path }) => ({
    body: JSON.stringify({ data: path.includes('version') ? { version: 9 } : [{ type: 'qemu', vmid: 'x' }] }),
  }))
  const client = tokenClient({ url, skipTlsVerify: true }, token)
  expect((await failureOf(() => listVms(client))).facts['expected']).toBe(
    'a list of objects with type, vmid, node',
  )
  expect((await failureOf(() => getVersion(client))).facts['expected']).toBe('an object with version')
})

test.each([
  [{ result: null }],
  [{ result: 'x' }],
  [{ result: [null, 7, 'x'] }],
  [{ result: [{ name: {}, 'ip-addresses': 'x' }] }],
  [null],
])('a guest agent that answers %j', async data => {
  const client = { request: async () => data } as unknown as ProxmoxClient
  const found = await getGuestAddresses(client, vm)
  expect((found ?? []).flatMap(({ addresses }) => addresses)).toEqual([])
})

test('a guest agent: addresses alone, and not too many', async () => {
  const good = { 'ip-address': '192.168.1.5', prefix: 24 }
  const card = {
    name: 'x'.repeat(10_000),
    'hardware-address': 'AA:BB',
    'ip-addresses': [
      good,
      { 'ip-address': '\u001b[2J', prefix: 24 },
      ...Array.from({ length: 9999 }, () => good),
    ],
  }
  const client = { request: async () => ({ result: Array.from({ length: 9999 }, () => card) }) }
  const found = (await getGuestAddresses(client as unknown as ProxmoxClient, vm))!
  expect(found).toHaveLength(64)
  expect(found[0]).toMatchObject({ name: 'x'.repeat(100), mac: 'aa:bb' })
  expect(new Set(found[0]!.addresses)).toEqual(new Set(['192.168.1.5/24']))
  expect(found[0]!.addresses.length).toBeLessThan(65)
})

/** A server that writes pieces for ever, with a pause between them. */
async function endless(piece: string, pauseMs: number): Promise<string> {
  const server = createServer(certificate, (_, response) => {
    response.writeHead(200)
    const write = (): void => {
      if (response.destroyed) return
      response.write(piece, () => setTimeout(write, pauseMs))
    }
    write()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/api2/json`
}

test('an answer without an end is cut at 32 MiB', async () => {
  const url = await endless('x'.repeat(4_000_000), 0)
  const failure = await failureOf(() => getVersion(tokenClient({ url, skipTlsVerify: true }, token)))
  expect(failure.message).toContain('its answer is longer than 32 MiB')
  expect(failure.hint).toContain('proxmox_url')
})

test('an answer byte by byte ends with the time for a whole one', async () => {
  const url = await endless(' ', 20)
  const endpoint = { url, skipTlsVerify: true, timeoutMs: 1000, answerMs: 300 }
  const failure = await failureOf(() => getVersion(tokenClient(endpoint, token)))
  expect(failure.message).toContain('no answer in time')
})
