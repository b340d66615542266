/** What is on a template's disk, seen through clones that boot without cloud-init. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { deleteVm } from '../../scripts/lib/proxmox/delete-vm.mts'
import { pingAgent } from '../../scripts/lib/proxmox/ping-agent.mts'
import { startVm } from '../../scripts/lib/proxmox/start-vm.mts'
import { stopVm } from '../../scripts/lib/proxmox/stop-vm.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'

const node = 'pve'
const timeoutMs = 60_000

/**
 * Clones a template twice, boots both without a cloud-init drive, so that nothing is made anew, and tells in
 * words what one machine left behind for all.
 */
export async function templateFaults(root: ProxmoxClient, template: number): Promise<string[]> {
  const clones = [template + 10_000, template + 20_000] as const
  await Promise.all(clones.map(vmid => bootClone(root, template, vmid)))
  try {
    const faults = (await execute(root, clones[0], script)).split('\n').filter(line => line !== '')
    const [first, second] = await Promise.all(clones.map(vmid => machineId(root, vmid)))
    return first === second ? [...faults, 'machine-id'] : faults
  } finally {
    await Promise.all(clones.map(vmid => remove(root, vmid)))
  }
}

/** One word per fault, so that tests can name the step that was left out. */
const script = `
any() { ls -d "$@" >/dev/null 2>&1; }
any /etc/ssh/ssh_host_* && echo host-keys
any /var/lib/cloud/instance /var/lib/cloud/instances/* && echo cloud-init-state
any /var/log/cloud-init*.log && echo cloud-init-logs
any /var/lib/apt/lists/*Packages* && echo package-lists
any /var/cache/apt/archives/*.deb && echo package-cache
any /var/tmp/* && echo temporary-files
any /var/log/journal/* && echo journal
getent passwd packer >/dev/null && echo build-user
any /home/packer && echo build-home
any /etc/sudoers.d/90-cloud-init-users && echo build-sudo
any /root/.ssh/authorized_keys && echo root-keys
true
`

const machineId = (root: ProxmoxClient, vmid: number): Promise<string> =>
  execute(root, vmid, 'cat /etc/machine-id')

/** @throws when the agent does not answer in time. */
async function bootClone(root: ProxmoxClient, template: number, vmid: number): Promise<void> {
  const path = `/nodes/${node}/qemu`
  await finish(root, await root.request('POST', `${path}/${template}/clone`, { newid: vmid, full: 1 }))
  await root.request('PUT', `${path}/${vmid}/config`, { delete: 'ide0,ide2' })
  await finish(root, await startVm(root, { node, vmid }))
  for (const deadline = Date.now() + timeoutMs; !(await pingAgent(root, { node, vmid })); await sleep(100)) {
    if (Date.now() > deadline) throw new Error(`the guest agent of VM ${vmid} does not answer`)
  }
}

/** Standard output of a shell script run by the guest agent. */
async function execute(root: ProxmoxClient, vmid: number, text: string): Promise<string> {
  const path = `/nodes/${node}/qemu/${vmid}/agent`
  const { pid } = await root.request<{ pid: number }>('POST', `${path}/exec`, {
    command: 'sh',
    'input-data': text,
  })
  for (;;) {
    const status = await root.request<{ exited: number; exitcode?: number; 'out-data'?: string }>(
      'GET',
      `${path}/exec-status`,
      { pid },
    )
    if (status.exited) return (status['out-data'] ?? '').trim()
    await sleep(50)
  }
}

async function remove(root: ProxmoxClient, vmid: number): Promise<void> {
  await finish(root, await stopVm(root, { node, vmid }))
  await finish(root, await deleteVm(root, { node, vmid }))
}

function finish(root: ProxmoxClient, upid: string): Promise<void> {
  return waitForTask(root, upid, { timeoutMs })
}
