import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/**
 * GET .../agent/file-read; needs VM.GuestAgent.FileRead, with Proxmox VE 8 VM.Monitor.
 * @returns The text; undefined if the guest has no such file, or the agent may not open it.
 * @throws ProxmoxApiError Also if the agent does not answer, or is not allowed to read files.
 */
export async function readGuestFile(
  client: ProxmoxClient,
  vm: VmRef,
  file: string,
): Promise<string | undefined> {
  const reading = client.request<{ content?: string }>('GET', `${vmPath(vm)}/agent/file-read`, { file })
  return (await unlessStatus(500, reading, undefined, /failed to open file/))?.content
}
