/** The guest agent as Proxmox's API shows it. */

import { AgentCommandFailed, AgentNotRunning } from '../../guests/driver.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { withAgentFaults } from '../faults/agent-faults.mts'
import { findVm, hasAgentChannel } from './vm.mts'

/** One command of the agent's protocol and its `return` value; Proxmox's own words where that fails. */
export async function callAgent(
  pve: Pve,
  vmid: number,
  command: string,
  args: Record<string, unknown> = {},
): Promise<unknown> {
  const vm = findVm(pve, vmid)
  if (!hasAgentChannel(vm.config)) throw failure('No QEMU guest agent configured')
  const live = pve.live.get(vmid)
  if (!live) throw failure(`VM ${vmid} is not running`)
  try {
    return await withAgentFaults(pve.faults, { vmid, command }, () => live.guest.agent(command, args))
  } catch (error) {
    if (error instanceof AgentNotRunning) throw failure('QEMU guest agent is not running')
    if (error instanceof AgentCommandFailed) throw failure(`Agent error: ${error.message}`)
    throw error
  }
}

function decode(data: unknown): string {
  return Buffer.from(String(data ?? ''), 'base64').toString('utf8')
}

/** The agent sends output in base64 and truth as booleans; the API decodes the one and counts the other. */
export function execStatus(result: Record<string, unknown>): Record<string, unknown> {
  const { 'out-data': out, 'err-data': err, exited, ...rest } = result
  return {
    ...rest,
    exited: exited ? 1 : 0,
    ...(out !== undefined && { 'out-data': decode(out) }),
    ...(err !== undefined && { 'err-data': decode(err) }),
  }
}
