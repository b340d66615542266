import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { acceptanceFaults } from '../e2e/acceptance-faults.mts'
import { leftovers } from '../e2e/leftovers.mts'
import { howToRun, isModern, packer } from '../e2e/modern-packer.mts'
import { initCredentials, labCredentials, sopsEnvironment } from '../e2e/sops-credentials.mts'
import { createWorkspace, repository, rootClient, startLab, type Workspace } from '../e2e/workspace.mts'

if (!isModern) process.stderr.write(`SKIPPED: the tests with a modern Packer; to run them, ${howToRun}\n`)

describe.skipIf(!isModern)(`a modern Packer (where it is skipped: ${howToRun})`, () => {
  let lab: Lab
  let root: ProxmoxClient
  let workspace: Workspace

  beforeAll(async () => {
    lab = await startLab()
    root = rootClient(lab)
    workspace = await createWorkspace(lab)
    // No password anywhere: the API token alone must do.
    const { proxmox_password, ...credentials } = labCredentials(lab)
    expect(proxmox_password).toBeDefined()
    expect(await initCredentials(workspace, credentials)).toMatchObject({ code: 0 })
    expect(await workspace.zx('base', ['import', 'debian'], environment())).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await workspace?.[Symbol.asyncDispose]()
    await lab?.close()
  })

  const environment = (): Record<string, string> => ({ ...sopsEnvironment(workspace), ...packer?.env })

  test('build debian takes the template as it is, with the API token', async () => {
    const { code, stdout, stderr } = await workspace.zx('build', ['debian', '--json'], environment())
    expect(stderr).not.toContain('error:')
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as { template: { vmid: number }; packer: object; changes: string[] }
    expect(result.packer).toEqual({ version: packer!.version, dialect: 'modern', file: packer!.file })
    expect(result.changes).toEqual([])
    const [vmid] = workspace.vmids
    expect(result.template.vmid).toBe(vmid)
    expect(await acceptanceFaults(workspace, vmid, environment())).toEqual([])
    expect(await getVmConfig(root, { node: 'pve', vmid })).toMatchObject({
      template: 1,
      tags: expect.stringMatching(/\bcurrent;(\w{8};)?debian;(\w{8};)?proxmint-test$/),
      agent: '1',
    })
    expect(await leftovers(root, workspace)).toEqual([
      expect.stringMatching(`^VM ${vmid} debian-`),
      `logs/build-debian-${vmid}.log`,
    ])
  })

  test('by hand, in a shell with the credentials', async () => {
    const script = [
      'set -eu',
      `eval "$(zx ${join(repository, 'scripts/credentials.mts')} export)"`,
      'export SSL_CERT_FILE="$PROXMOX_CA_FILE"',
      'cd packer/debian',
      'packer init .',
      'packer validate .',
      'packer build -color=false .',
    ].join('\n')
    const options = { cwd: workspace.folder, env: { ...workspace.env, ...environment() } }
    const { code, stdout, stderr } = await lab.exec(['sh', '-c', script], options)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toContain('The configuration is valid.')
    const made = Number(/A template was created: (\d+)/.exec(stdout)![1])
    expect((await listVms(root)).find(vm => vm.vmid === made)).toMatchObject({ name: 'debian', template: 1 })
    expect(await acceptanceFaults(workspace, made, environment())).toEqual([])
  })

  test('a provisioner that ends with 2 where that is not allowed is explained', async () => {
    await using other = await createWorkspace(lab)
    await other.edit('packer/common/check-cloud-init.sh', 'set -eu', 'exit 2')
    const { code, stderr } = await other.zx('build', ['debian'], { PROXMOX_PASSWORD: '', ...packer?.env })
    expect(code).toBe(1)
    expect(stderr).toContain('Script exited with non-zero exit status: 2')
    expect(stderr).toContain('why: a script ended with 2; for `cloud-init status --wait`')
    expect(await leftovers(root, other)).toEqual([`logs/build-debian-${other.vmids[0]}.log`])
  })
})
