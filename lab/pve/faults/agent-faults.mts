/** Faults of the guest agent: silence, and a container bridge before the guest's own network card. */

import { AgentNotRunning } from '../../guests/driver.mts'
import type { Faults } from '../core/fault.mts'

/** Seconds Proxmox waits for the agent's answer to a ping before each command. */
const PING_SECONDS = 3

function docker0(address: string): Interface {
  return {
    name: 'docker0',
    'hardware-address': '02:42:5e:8a:11:0c',
    'ip-addresses': [{ 'ip-address-type': 'ipv4', 'ip-address': address, prefix: 16 }],
  }
}

/** Entry of the agent's list. Other keys do not matter here. */
interface Interface extends Record<string, unknown> {
  name: string
}

function withDocker0(interfaces: Interface[], address: string): Interface[] {
  const loopback = interfaces.filter(({ name }) => name === 'lo')
  const others = interfaces.filter(({ name }) => name !== 'lo')
  return [...loopback, docker0(address), ...others]
}

/** Asks the agent, unless a fault is due. @throws {AgentNotRunning} for `silent-agent`. */
export async function withAgentFaults(
  faults: Faults,
  { vmid, command }: { vmid: number; command: string },
  ask: () => Promise<unknown>,
): Promise<unknown> {
  const silent = faults.due('silent-agent', { vmid })
  if (silent) {
    await faults.wait(silent.seconds ?? PING_SECONDS)
    throw new AgentNotRunning()
  }
  const answer = await ask()
  if (command !== 'guest-network-get-interfaces') return answer
  const docker = faults.due('docker0-first', { vmid })
  return docker ? withDocker0(answer as Interface[], docker.address ?? '172.17.0.1') : answer
}
