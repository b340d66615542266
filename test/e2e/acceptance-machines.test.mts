/**
 * The acceptance test on real machines: a kernel, systemd and cloud-init of their own. Each boot is emulated here
 * and takes minutes, so two steps of the clean-up are left out of one and the same build.
 */
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { checks } from '../../scripts/lib/acceptance/checks.mts'
import { acceptanceFaults, testTemplate } from './acceptance-faults.mts'
import { bootTimeoutMs, machinesCannotRun } from './qemu-guest.mts'
import { createWorkspace, startLab, type Workspace } from './workspace.mts'

if (machinesCannotRun !== undefined) {
  console.warn(`SKIPPED: the acceptance test on real machines. ${machinesCannotRun}`)
}

describe.skipIf(machinesCannotRun !== undefined)('on real machines', { timeout: 2 * bootTimeoutMs }, () => {
  let lab: Lab
  let workspace: Workspace

  beforeAll(async () => {
    lab = await startLab({ guests: 'qemu' })
    workspace = await createWorkspace(lab)
    await appendFile(join(workspace.folder, 'config/proxmint.yaml'), 'test_boot_timeout_seconds: 900\n')
    expect(await workspace.zx('base', ['import', 'debian']), 'base import').toMatchObject({ code: 0 })
  }, 2 * bootTimeoutMs)
  afterAll(async () => {
    await workspace?.[Symbol.asyncDispose]()
    await lab?.close()
  }, bootTimeoutMs)

  async function build(): Promise<number> {
    const { code, stdout, stderr } = await workspace.zx('build', ['debian', '--no-test', '--json'])
    expect({ code, stderr: code === 0 ? '' : stderr }, 'build').toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout).template.vmid
  }

  test('a good VM template passes every check', async () => {
    const report = await testTemplate(workspace, await build())
    expect(report.checks.filter(check => !check.passed)).toEqual([])
    expect(report.checks.map(({ name }) => name)).toEqual(checks.map(({ name }) => name))
  })

  test('without two steps of its clean-up it fails the two checks', async () => {
    const script = 'packer/debian/scripts/clean-up.sh'
    await workspace.edit(script, '\nrm -f /etc/ssh/ssh_host_*\n', '\n')
    await workspace.edit(script, '\nrm -f /etc/sudoers.d/90-cloud-init-users\n', '\n')
    expect(await acceptanceFaults(workspace, await build())).toEqual([
      expect.stringMatching(/^host-keys: the VM template keeps \/etc\/ssh\/ssh_host_/),
      expect.stringMatching(/^build-login: build-sudo \(\/etc\/sudoers\.d\/90-cloud-init-users\)$/),
    ])
  })
})
