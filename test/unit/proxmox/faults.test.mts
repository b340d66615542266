/** Faults of a Proxmox VE as the toolkit's client reports them. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Fault } from '../../../lab/pve/core/fault.mts'
import { ROOT_PASSWORD, ROOT_TOKEN, startLab, type TestLab } from '../../../lab/test/pve/client.mts'
import { type ProxmoxClient, passwordClient, tokenClient } from '../../../scripts/lib/proxmox/client.mts'
import { waitForTask } from '../../../scripts/lib/proxmox/task.mts'

const qemu = '/nodes/pve/qemu'
let lab: TestLab
let client: ProxmoxClient

beforeAll(async () => {
  lab = await startLab()
  const endpoint = { url: lab.server.url, caFile: lab.server.caFile }
  client = tokenClient(endpoint, { user: 'root@pam', tokenId: 'test', tokenSecret: ROOT_TOKEN })
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  await lab.task('POST', qemu, { vmid: 100, name: 'base', scsi0: 'tank:1' })
})

const set = (...faults: Fault[]) => lab.server.admin.setFaults(faults)

test('a lock that is not to be had is reported', async () => {
  set({ fault: 'lock-timeout', seconds: 0 })
  await expect(client.request('PUT', `${qemu}/100/config`, { cores: 2 })).rejects.toThrow(
    "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
  )
})

test('an error is named with its request and its text', async () => {
  set({ fault: 'error', status: 596, message: 'Connection timed out' })
  await expect(client.request('GET', '/version')).rejects.toThrow(/GET \/version: 596 Connection timed out/)
})

test('a connection that breaks off is named', async () => {
  set({ fault: 'connection-reset' })
  await expect(client.request('GET', '/version')).rejects.toThrow(/127\.0\.0\.1/)
})

test('a ticket that expires is refused in the midst of the work', async () => {
  const endpoint = { url: lab.server.url, caFile: lab.server.caFile }
  const person = passwordClient(endpoint, { user: 'root@pam', password: ROOT_PASSWORD })
  await person.request('GET', '/version')
  set({ fault: 'expired-ticket' })
  await expect(person.request('GET', '/version')).rejects.toThrow(/401 Authentication failed!/)
})

test('a slow task is waited for no longer than was said', async () => {
  set({ fault: 'slow-task', seconds: 60 })
  const upid = await client.request<string>('POST', `${qemu}/100/status/start`)
  await expect(waitForTask(client, upid, { timeoutMs: 300 })).rejects.toThrow(/did not end within 0\.3 s/)
  await lab.call('DELETE', `/nodes/pve/tasks/${encodeURIComponent(upid)}`)
  await lab.server.admin.settled()
  expect(lab.server.admin.tasks().at(-1)!.exitstatus).toBe('interrupted by signal')
})

test('a task that fails is shown with its text and its log', async () => {
  set({ fault: 'failing-task', message: 'no luck', percent: 7 })
  const upid = await client.request<string>('POST', `${qemu}/100/clone`, { newid: 101 })
  await expect(waitForTask(client, upid, { timeoutMs: 60_000 })).rejects.toMatchObject({
    message: 'task qmclone of 100 failed: clone failed: no luck',
    facts: { log: expect.stringContaining('(7.00%)') },
  })
})
