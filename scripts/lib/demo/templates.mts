import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Step } from '../journey/timed-steps.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listVmsOf } from '../proxmox/list-vms.mts'
import { waitForTask } from '../proxmox/task.mts'
import { type Demo, shell } from './lab.mts'

/** The first of `template_vmid_range`, which a lab that was just started has free. */
const FIRST_TEMPLATE_VMID = 9000
/** Of the VM that keeps the first version in use: made by hand, outside of `vmid_range`. */
const WEB_VMID = 2000

/** Three versions of one template: which is current, how to go back, and why one stays that nobody makes VMs from. */
export async function demonstrateVersions(demo: Demo, step: Step): Promise<void> {
  const $ = shell(demo)
  await step('build, test and promote the Debian VM template', () => $`zx scripts/build.mts debian`)
  await step('look at the VM template', () => showTemplate(demo))
  await step('make a linked clone of it, a VM that stays on this version', () => makeClone(demo))
  await step(
    'build a second version, which becomes current',
    () => $`zx scripts/build.mts debian --var memory=1024`,
  )
  await step('build a third, without its test: it waits until a person promotes it', async () => {
    await $`zx scripts/build.mts debian --var memory=1536 --no-test`
    await $`zx scripts/templates.mts promote debian --untested`
  })
  await step('prune: the first version is in no channel, but a VM still needs it', async () => {
    await $`zx scripts/templates.mts prune --keep 1 --min-age 0s`
  })
  await step('roll back to the second version', async () => {
    await $`zx scripts/templates.mts rollback debian`
    await $`zx scripts/templates.mts list`
  })
}

async function makeClone({ root, output }: Demo): Promise<void> {
  const upid = await root.request<string>('POST', `/nodes/pve/qemu/${FIRST_TEMPLATE_VMID}/clone`, {
    newid: WEB_VMID,
    name: 'web',
    full: 0,
  })
  await waitForTask(root, upid, { timeoutMs: 60_000 })
  const config = await getVmConfig(root, { node: 'pve', vmid: WEB_VMID })
  output.write(`${WEB_VMID}  web  ${config['scsi0']}\n`)
}

async function showTemplate({ root, workspace, output }: Demo): Promise<void> {
  const vms = await listVmsOf(root, 'pve')
  for (const vm of vms.filter(candidate => candidate.template === 1)) {
    const config = await getVmConfig(root, vm)
    output.write(`${vm.vmid}  ${vm.name}  ${config['scsi0']}  tags: ${config['tags']}\n`)
  }
  const log = join(workspace, '.proxmint/logs', `build-debian-${FIRST_TEMPLATE_VMID}.log`)
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n')
  output.write(
    `the end of Packer's own log, ${log}:\n${lines
      .slice(-4)
      .map(line => `  ${line}`)
      .join('\n')}\n`,
  )
}
