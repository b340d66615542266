import { expect, test } from 'vitest'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import { verifyVm } from '../../../scripts/lib/vm/look/verify.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { fakeProxmox } from './fake-proxmox.mts'

const web = entry('web-1', { node: 'pve', vmid: 100, address: '192.168.122.200' })

test('defect of the predecessor: a 403 while waiting for the address was swallowed', async () => {
  const config = { name: 'web-1', description: descriptionOf(web) }
  const { client } = fakeProxmox({ 100: { node: 'pve', status: 'running', config } }).connection
  const refusing = {
    ...client,
    request: (method: 'GET', path: string) => {
      if (!path.includes('/agent/')) return client.request(method, path)
      const reason = 'Permission check failed (/vms/100, VM.GuestAgent.Audit)'
      throw apiError({ method, path, identity: client.identity, status: 403, reason, body: '' })
    },
  } as typeof client
  const failure = await failureOf(() => verifyVm(refusing, web, 1000, new AbortController().signal))
  expect(failure.message).toContain('VM.GuestAgent.Audit')
})

test('a VM that only has the number is not taken for it', async () => {
  const { client } = fakeProxmox({
    100: { node: 'pve', status: 'running', config: { name: 'web-1' } },
  }).connection
  const failure = await failureOf(() => verifyVm(client, web, 1000, new AbortController().signal))
  expect(failure.message).toBe('VM 100 is not web-1')
})

test('an address that does not come is waited for as long as the config says', async () => {
  const config = { name: 'web-1', description: descriptionOf(web) }
  const { client } = fakeProxmox({ 100: { node: 'pve', status: 'running', config } }).connection
  const silent = {
    ...client,
    request: (method: 'GET', path: string) =>
      path.includes('/agent/') ? Promise.resolve({ result: [] }) : client.request(method, path),
  } as typeof client
  const failure = await failureOf(() => verifyVm(silent, web, 1, new AbortController().signal))
  expect(failure.message).toBe('web-1 does not have the address 192.168.122.200')
  expect(failure.hint).toContain('agent_timeout_seconds')
})
