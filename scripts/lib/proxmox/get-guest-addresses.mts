import { isIP } from 'node:net'
import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

interface AgentInterface {
  name: string
  'hardware-address'?: string
  'ip-addresses'?: AgentAddress[]
}

interface AgentAddress {
  'ip-address': string
  prefix: number
}

/** Interfaces of a guest, and addresses of an interface. */
const MOST = 64

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
  if (answer === undefined) return undefined
  const interfaces: unknown = answer?.result
  return list<AgentInterface>(interfaces).map(one => ({
    name: text(one?.name),
    mac: text(one?.['hardware-address']).toLowerCase() || undefined,
    addresses: list<AgentAddress>(one?.['ip-addresses'])
      .filter(address => isIP(text(address?.['ip-address'])) !== 0)
      .map(address => `${address['ip-address']}/${Number(address.prefix)}`),
  }))
}

/** Beginning of a list. The agent is a program of the VM's owner, who may answer anything. */
function list<T>(value: unknown): T[] {
  return Array.isArray(value) ? (value as T[]).slice(0, MOST) : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 100) : ''
}
