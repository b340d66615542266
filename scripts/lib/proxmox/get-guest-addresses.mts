import type { ProxmoxClient } from './client.mts'
import { ProxmoxApiError } from './errors.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

interface AgentInterface {
  name: string
  'hardware-address'?: string
  'ip-addresses'?: { 'ip-address': string; prefix: number }[]
}

interface GuestInterface {
  name: string
  /** Lower case. */
  mac: string | undefined
  /** With prefix length: `192.168.1.5/24`. */
  addresses: string[]
}

/**
 * GET .../agent/network-get-interfaces: what the guest agent tells, or undefined while it does not answer. A
 * missing privilege throws.
 */
export async function getGuestAddresses(
  client: ProxmoxClient,
  vm: VmRef,
): Promise<GuestInterface[] | undefined> {
  try {
    const { result } = await client.request<{ result: AgentInterface[] }>(
      'GET',
      `${vmPath(vm)}/agent/network-get-interfaces`,
    )
    return result.map(({ name, 'hardware-address': mac, 'ip-addresses': addresses = [] }) => ({
      name,
      mac: mac?.toLowerCase(),
      addresses: addresses.map(one => `${one['ip-address']}/${one.prefix}`),
    }))
  } catch (error) {
    if (error instanceof ProxmoxApiError && error.status === 500) return undefined
    throw error
  }
}
