import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

interface AgentInterface {
  name: string
  'hardware-address'?: string
  'ip-addresses'?: { 'ip-address': string; prefix: number }[]
}

export interface GuestInterface {
  name: string
  /** In lower case. */
  mac: string | undefined
  /** Addresses with prefix length: `192.168.1.5/24`. */
  addresses: string[]
}

/**
 * GET .../agent/network-get-interfaces. @returns The network cards; undefined while the guest agent does not answer.
 * @throws ProxmoxApiError Also for a missing privilege.
 */
export async function getGuestAddresses(
  client: ProxmoxClient,
  vm: VmRef,
): Promise<GuestInterface[] | undefined> {
  const path = `${vmPath(vm)}/agent/network-get-interfaces`
  const answer = await unlessStatus(500, client.request<{ result: AgentInterface[] }>('GET', path), undefined)
  return answer?.result.map(({ name, 'hardware-address': mac, 'ip-addresses': addresses = [] }) => ({
    name,
    mac: mac?.toLowerCase(),
    addresses: addresses.map(one => `${one['ip-address']}/${one.prefix}`),
  }))
}
