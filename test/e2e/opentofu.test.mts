import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { checkedCredentials } from '../../scripts/lib/credentials/credentials.mts'
import { exportedVariables } from '../../scripts/lib/credentials/export.mts'
import { environmentSource } from '../../scripts/lib/credentials/source.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { createWorkspace, repository, rootClient, startLab, type Workspace } from './workspace.mts'

/** OpenTofu (or Terraform) with the real bpg/proxmox provider, against the lab. */
let lab: Lab
let workspace: Workspace
let tofu: (args: string[]) => Promise<ExecResult>

/** `plan -detailed-exitcode`: 0 is an empty plan, 2 one with changes. */
const noChanges = 0

beforeAll(async () => {
  lab = await startLab()
  workspace = await createWorkspace(lab)
  const [base, program, provider] = await Promise.all([
    workspace.zx('base', ['import', 'debian']),
    requireTool('opentofu'),
    requireTool('proxmox-provider'),
  ])
  expect(base).toMatchObject({ code: 0 })
  await cp(join(repository, 'test/fixtures/opentofu'), workspace.folder, { recursive: true })
  const { credentials } = checkedCredentials(environmentSource(lab.tokenEnv))
  const env = {
    ...provider.env,
    ...exportedVariables(credentials),
    SSL_CERT_FILE: lab.caFile,
    TF_IN_AUTOMATION: '1',
  }
  tofu = args => lab.exec([program.file, ...args], { cwd: workspace.folder, env })
  expect(await tofu(['init', '-no-color'])).toMatchObject({ code: 0, stderr: '' })
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

/** Applies, and holds the plan after it to be empty. */
async function applied(...variables: string[]): Promise<void> {
  const given = variables.flatMap(variable => ['-var', variable])
  const apply = await tofu(['apply', '-auto-approve', '-no-color', ...given])
  expect(apply, apply.stderr).toMatchObject({ code: 0 })
  const plan = await tofu(['plan', '-detailed-exitcode', '-no-color', ...given])
  expect(plan.code, `the plan after the apply is not empty:\n${plan.stdout}${plan.stderr}`).toBe(noChanges)
}

const made = async (): Promise<number[]> =>
  (await listVms(rootClient(lab)))
    .map(vm => vm.vmid)
    .filter(vmid => vmid < 9000)
    .sort((a, b) => a - b)

test('three VMs are created, changed, stopped, replaced and destroyed, with an empty plan after each step, in under 60 s', async () => {
  const start = performance.now()
  await applied()
  expect(await made()).toEqual([100, 101, 102])
  const output = await tofu(['output', '-json', 'addresses'])
  expect(JSON.parse(output.stdout)).toEqual([200, 201, 202].map(host => ['127.0.0.1', `192.168.122.${host}`]))

  await applied('cores=2')
  expect(await getVmConfig(rootClient(lab), { node: 'pve', vmid: 101 })).toMatchObject({
    cores: 2,
    tags: 'proxmint;web',
  })

  await applied('cores=2', 'started=false')
  const statuses = (await listVms(rootClient(lab))).filter(vm => vm.vmid < 9000).map(vm => vm.status)
  expect(statuses).toEqual(['stopped', 'stopped', 'stopped'])

  await applied('cores=2', 'first_vmid=110')
  expect(await made()).toEqual([110, 111, 112])

  expect(await tofu(['destroy', '-auto-approve', '-no-color'])).toMatchObject({ code: 0 })
  expect(await made()).toEqual([])
  expect((performance.now() - start) / 1000).toBeLessThan(60)
})
