import { expect, test } from 'vitest'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { createWorkspace, rootClient, startLab } from './workspace.mts'

test.skipIf(process.geteuid?.() !== 0)(
  'without namespaces a build is led to its guest by ssh_host and ssh_port, which are known before it',
  async () => {
    await using stack = new AsyncDisposableStack()
    const lab = await startLab({ isolation: 'loopback' })
    stack.defer(() => lab.close())
    const workspace = stack.use(await createWorkspace(lab))
    const imported = await workspace.zx('base', ['import', 'debian'])
    expect(imported, 'base import').toMatchObject({ code: 0 })
    const vmid = workspace.vmids[0]
    const address = ['--var', 'ssh_host=127.0.0.1', '--var', `ssh_port=${lab.sshPortOf(vmid)}`]
    const built = await workspace.zx('build', ['debian', ...address, '--json'])
    expect(built, 'build').toMatchObject({ code: 0 })
    expect(JSON.parse(built.stdout).template.vmid).toBe(vmid)
    const config = await getVmConfig(rootClient(lab), { node: 'pve', vmid })
    expect(config).toMatchObject({ template: 1, scsi0: expect.stringContaining('size=3G') })
  },
  120_000,
)
