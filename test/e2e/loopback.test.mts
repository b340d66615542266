import { expect, test } from 'vitest'
import { checks } from '../../scripts/lib/acceptance/checks.mts'
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
    const { template } = JSON.parse(built.stdout)
    expect(template.vmid).toBe(vmid)
    // Ports are not judged where guests share the machine's network.
    const tested: { name: string }[] = template.test.checks
    expect(tested.map(({ name }) => name)).toEqual(
      checks.map(({ name }) => name).filter(name => name !== 'ports'),
    )
    const config = await getVmConfig(rootClient(lab), { node: 'pve', vmid })
    expect(config).toMatchObject({ template: 1, scsi0: expect.stringContaining('size=3G') })
  },
  120_000,
)
