import { expect, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import { zoneOfBridge } from '../../../scripts/lib/site/zone-of-bridge.mts'

const identity = 'proxmint@pve'

/** Answers by path; a number is the status of a refusal. */
function client(answers: Record<string, unknown>): ProxmoxClient {
  return {
    identity,
    url: 'https://pve.example.net:8006/api2/json',
    request: async (method, path) => {
      const answer = answers[path]
      if (typeof answer !== 'number') return answer as never
      throw apiError({ method, path, identity, status: answer, reason: 'refused', body: '' })
    },
    upload: () => Promise.reject(new Error('nothing is uploaded here')),
    time: async () => undefined,
  }
}

const vnets = [{ vnet: 'blue', zone: 'dc1' }]
const onPath = { '/sdn/zones/dc2/blue/20': { 'SDN.Use': 1 } }

test.each<[string, string, Record<string, unknown>, string | undefined]>([
  ['a vnet that may be listed', 'blue', { '/cluster/sdn/vnets': vnets, '/access/permissions': {} }, 'dc1'],
  ['one that may only be used', 'blue', { '/cluster/sdn/vnets': [], '/access/permissions': onPath }, 'dc2'],
  ['without SDN', 'blue', { '/cluster/sdn/vnets': 501, '/access/permissions': onPath }, 'dc2'],
  ['a bridge of another name', 'lan', { '/cluster/sdn/vnets': vnets, '/access/permissions': {} }, undefined],
  ['a bridge of a node, unasked', 'vmbr0', { '/cluster/sdn/vnets': 500 }, undefined],
])('the zone of %s', async (_, bridge, answers, zone) => {
  expect(await zoneOfBridge(client(answers), bridge)).toBe(zone)
})
