import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { convertToTemplate } from '../../scripts/lib/proxmox/convert-to-template.mts'
import { createVm } from '../../scripts/lib/proxmox/create-vm.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { leftovers } from './leftovers.mts'
import { packerByHand } from './packer-by-hand.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

/** Long enough for a guest of the lab to boot, short enough to wait for its end. */
const sshTimeout = 'ssh_timeout=12s'
const source = 'packer/debian/debian.pkr.hcl'

let lab: Lab
let root: ProxmoxClient

beforeAll(async () => {
  lab = await startLab()
  root = rootClient(lab)
  await makeAgentlessBase('agentless', 9990)
})
afterAll(() => lab.close())

/** The cloud image as it was published, whose first boot installed nothing. */
async function makeAgentlessBase(name: string, vmid: number): Promise<void> {
  const finish = (upid: string) => waitForTask(root, upid, { timeoutMs: 60_000 })
  const image = { filename: `${name}.qcow2`, url: `${lab.imagesUrl}/debian-12-genericcloud-amd64.qcow2` }
  const download = { ...image, content: 'import' }
  await finish(await root.request('POST', '/nodes/pve/storage/local/download-url', download))
  const upid = await createVm(root, 'pve', {
    vmid,
    name,
    ostype: 'l26',
    scsihw: 'virtio-scsi-single',
    scsi0: `tank:0,import-from=local:import/${image.filename}`,
    ide2: 'tank:cloudinit',
    ipconfig0: 'ip=dhcp',
    net0: 'virtio,bridge=vmbr0',
    serial0: 'socket',
    agent: 'enabled=1',
    boot: 'order=scsi0',
  })
  await finish(upid)
  const converting = await convertToTemplate(root, { node: 'pve', vmid })
  if (converting !== null) await finish(converting)
}

/** A workspace whose template clones the base without an agent. */
async function agentlessWorkspace(): Promise<Workspace> {
  const workspace = await createWorkspace(lab)
  await workspace.edit(source, /clone_vm .*/, 'clone_vm = "agentless"')
  return workspace
}

test.concurrent('a base VM without the guest agent: the time-out is explained, nothing is left', async () => {
  await using workspace = await agentlessWorkspace()
  const { code, stderr } = await workspace.zx('build', ['debian', '--var', sshTimeout])
  const [vmid] = workspace.vmids
  const log = `logs/build-debian-${vmid}.log`
  expect(stderr).toContain('error: packer build debian failed (exit code 1):\n')
  expect(stderr).toContain('Timeout waiting for SSH.')
  expect(stderr.split('\n').slice(-4)).toEqual([
    '  why: the guest did not answer on SSH in time: it did not boot, its agent is not installed, or its address cannot be reached from here',
    `  log: ${join(workspace.stateDir, log)}`,
    'hint: look at its console in Proxmox during the next build; a base VM made by `base import` has the agent; the bridge needs DHCP and a route from here. A node without KVM needs more time: build_boot_timeout_seconds in config/proxmint.yaml',
    '',
  ])
  expect(code).toBe(exitCodes.failed)
  expect(await leftovers(root, workspace)).toEqual([log])
})

describe('a linked clone', () => {
  test.concurrent('does not boot when Packer is run past the rules', async () => {
    await using workspace = await agentlessWorkspace()
    await workspace.edit(source, 'full_clone = true', 'full_clone = false')
    expect((await workspace.zx('build', ['debian'])).stderr).toContain(
      '`full_clone` is not true [full-clone]',
    )

    const [vmid] = workspace.vmids
    const packer = packerByHand(lab, workspace, ['-var', `template_vmid=${vmid}`, '-var', sshTimeout])
    expect(await consoleSaying(vmid, /PARTUUID/)).toMatch(
      /ALERT! {2}PARTUUID=\S+ does not exist\. {2}Dropping to a shell!/,
    )
    const { code, stdout } = await packer
    expect(stdout).toContain('Timeout waiting for SSH.')
    expect(code).toBe(1)
  })

  test.concurrent('a full one boots under the same command', async () => {
    await using workspace = await agentlessWorkspace()
    const [vmid] = workspace.vmids
    const packer = packerByHand(lab, workspace, ['-var', `template_vmid=${vmid}`, '-var', sshTimeout])
    expect(await consoleSaying(vmid, /Cloud-init finished/)).not.toContain('PARTUUID')
    await packer
  })
})

/** The serial console of a VM as soon as it says something. @throws when it does not in time. */
async function consoleSaying(vmid: number, wanted: RegExp): Promise<string> {
  let text = ''
  for (let i = 0; i < 300; i++) {
    text = (await lab.console(vmid).catch(() => undefined)) ?? text
    if (wanted.test(text)) return text
    await sleep(100)
  }
  throw new Error(`the console of VM ${vmid} never said ${wanted}: ${text}`)
}
