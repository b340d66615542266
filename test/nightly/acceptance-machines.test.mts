/**
 * The acceptance test on real machines, where two steps of the clean-up are left out of one build. It takes four
 * boots, each emulated.
 */
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { acceptanceFaults } from '../e2e/acceptance-faults.mts'
import { bootTimeoutMs, machinesCannotRun as skipped } from '../e2e/qemu-guest.mts'
import { createWorkspace, startLab, type Workspace } from '../e2e/workspace.mts'

if (skipped !== undefined) {
  console.warn(`SKIPPED: the acceptance test of a faulty VM template on real machines. ${skipped}`)
}

describe.skipIf(skipped !== undefined)('on real machines', { timeout: 3 * bootTimeoutMs }, () => {
  let lab: Lab
  let workspace: Workspace

  beforeAll(async () => {
    lab = await startLab({ guests: 'qemu' })
    workspace = await createWorkspace(lab)
    await appendFile(join(workspace.folder, 'config/proxmint.yaml'), 'test_boot_timeout_seconds: 1800\n')
    expect(await workspace.zx('base', ['import', 'debian']), 'base import').toMatchObject({ code: 0 })
  }, 2 * bootTimeoutMs)
  afterAll(async () => {
    await workspace?.[Symbol.asyncDispose]()
    await lab?.close()
  }, bootTimeoutMs)

  test('a VM template without two steps of its clean-up fails the two checks', async () => {
    const script = 'packer/common/clean-up.sh'
    await workspace.edit(script, '\nrm -f /etc/ssh/ssh_host_*\n', '\n')
    await workspace.edit(script, '\nrm -f /etc/sudoers.d/90-cloud-init-users\n', '\n')
    const { code, stdout, stderr } = await workspace.zx('build', ['debian', '--no-test', '--json'])
    expect({ code, stderr: code === 0 ? '' : stderr }, 'build').toEqual({ code: 0, stderr: '' })
    expect(await acceptanceFaults(workspace, JSON.parse(stdout).template.vmid)).toEqual([
      expect.stringMatching(/^host-keys: the VM template keeps \/etc\/ssh\/ssh_host_/),
      expect.stringMatching(/^build-login: build-sudo \(\/etc\/sudoers\.d\/90-cloud-init-users\)$/),
    ])
  })
})
