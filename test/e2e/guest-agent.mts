import { expect } from 'vitest'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'

/** How a test waits for a guest. */
export const slowly = { timeout: 120_000, interval: 500 }

/** What a command prints, run as root by the guest agent. */
export async function inGuestByAgent(root: ProxmoxClient, vmid: number, command: string): Promise<string> {
  const vm = `/nodes/pve/qemu/${vmid}`
  const started = { command: '/bin/sh', 'input-data': command }
  const { pid } = await root.request<{ pid: number }>('POST', `${vm}/agent/exec`, started)
  type Status = { exited: 0 | 1; 'out-data'?: string }
  let status: Status | undefined
  await expect
    .poll(async () => {
      status = await root.request<Status>('GET', `${vm}/agent/exec-status`, { pid })
      return Boolean(status.exited)
    }, slowly)
    .toBe(true)
  return (status?.['out-data'] ?? '').trim()
}
