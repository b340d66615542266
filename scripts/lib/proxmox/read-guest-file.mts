import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** Words of the guest agent of Linux, and of Windows. */
const NO_SUCH_FILE = /failed to open file.*(No such file|cannot find)/

/**
 * GET .../agent/file-read; needs VM.GuestAgent.FileRead, with Proxmox VE 8 VM.Monitor.
 * @returns The text; undefined if the guest has no such file.
 * @throws ProxmoxApiError Also if the agent does not answer, or is not allowed to read files.
 */
export async function readGuestFile(
  client: ProxmoxClient,
  vm: VmRef,
  file: string,
): Promise<string | undefined> {
  const reading = client.request<{ content?: string }>('GET', `${vmPath(vm)}/agent/file-read`, { file })
  return (await unlessStatus(500, reading, undefined, NO_SUCH_FILE))?.content
}
