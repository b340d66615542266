import { setTimeout as sleep } from 'node:timers/promises'
import { ProxmintError } from '../run/errors.mts'
import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

interface ExecStatus {
  exited: 0 | 1
  exitcode?: number
  'out-data'?: string
  'err-data'?: string
}

interface Ran {
  code: number
  stdout: string
  stderr: string
}

/**
 * POST .../agent/exec: runs a script with /bin/sh as root in the guest, and waits for its end; needs
 * VM.GuestAgent.Unrestricted, with Proxmox VE 8 VM.Monitor.
 * @param script at most 64 KiB.
 * @throws ProxmoxApiError if the agent does not answer, or may not run programs; ProxmintError if the script does not end.
 */
export async function runInGuest(
  client: ProxmoxClient,
  vm: VmRef,
  script: string,
  timeoutMs: number,
): Promise<Ran> {
  const path = `${vmPath(vm)}/agent`
  const { pid } = await client.request<{ pid: number }>('POST', `${path}/exec`, {
    command: '/bin/sh',
    'input-data': script,
  })
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const status = await client.request<ExecStatus>('GET', `${path}/exec-status`, { pid })
    if (status.exited === 1) {
      const { exitcode = -1, 'out-data': stdout = '', 'err-data': stderr = '' } = status
      return { code: exitcode, stdout, stderr }
    }
    if (Date.now() > deadline) {
      throw new ProxmintError(`a script in VM ${vm.vmid} did not end within ${timeoutMs / 1000} s`, {
        hint: 'it may still run there; look into the VM, then run the command again',
      })
    }
    await sleep(500)
  }
}
