import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentClient } from './agent.mts'
import type { Interface } from './network-config.mts'

interface AgentAddress {
  'ip-address': string
  'ip-address-type': 'ipv4' | 'ipv6'
  prefix: number
}

/** Without packets there is nothing to count. */
const STATISTICS = Object.fromEntries(
  ['rx', 'tx'].flatMap(way => ['bytes', 'dropped', 'errs', 'packets'].map(what => [`${way}-${what}`, 0])),
)

/**
 * The agent of a guest without a network and a host name of its own would tell the machine's. Once it is there
 * to answer, these two answers are what the guest itself was configured with.
 */
export function tellOwnIdentity(agent: AgentClient, root: string, interfaces: Interface[]): AgentClient {
  const own: Record<string, () => Promise<unknown>> = {
    'guest-network-get-interfaces': async () =>
      describeInterfaces(interfaces, await textOf(join(root, 'run/lab-addresses'))),
    'guest-get-host-name': async () => ({ 'host-name': (await textOf(join(root, 'etc/hostname'))).trim() }),
  }
  return async (command, args) => {
    const answer = own[command]
    if (!answer) return agent(command, args)
    await agent('guest-ping', {})
    return answer()
  }
}

/** @param configured lines `eth0 192.168.122.50/24`, as the guest's cloud-init wrote them. */
function describeInterfaces(interfaces: Interface[], configured: string): unknown[] {
  const lines = configured.split('\n').map(line => line.split(' '))
  const addressesOf = (name: string) =>
    lines.filter(([owner]) => owner === name).map(([, address]) => describeAddress(address!))
  const loopback = { name: 'lo', mac: '00:00:00:00:00:00', addresses: ['127.0.0.1/8', '::1/128'] }
  return [
    { ...loopback, addresses: loopback.addresses.map(describeAddress) },
    ...interfaces.map(({ name, mac }) => ({ name, mac, addresses: addressesOf(name) })),
  ].map(({ name, mac, addresses }) => ({
    name,
    'hardware-address': mac,
    'ip-addresses': addresses,
    statistics: STATISTICS,
  }))
}

function describeAddress(text: string): AgentAddress {
  const [address, prefix] = text.split('/')
  return {
    'ip-address': address!,
    'ip-address-type': address!.includes(':') ? 'ipv6' : 'ipv4',
    prefix: Number(prefix),
  }
}

function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
