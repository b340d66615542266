import { expect, onTestFinished, test, vi } from 'vitest'
import { variablesReadBy } from '../../../scripts/lib/build/variables.mts'
import { planBuild } from '../../../scripts/lib/packer/plan.mts'
import { loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { type CommandPlan, runCommand } from '../../../scripts/lib/run/exec.mts'
import { planApply, planInit, planPlan } from '../../../scripts/lib/terraform/commands.mts'
import { warnOfIgnored } from '../../../scripts/lib/tools/passed-variables.mts'
import type { Tool } from '../../../scripts/lib/tools/tool.mts'
import { sampleCredentials } from '../credentials/sample.mts'

const HELD_BACK = [
  'TF_LOG',
  'TF_LOG_CORE',
  'TF_LOG_PROVIDER',
  'TF_LOG_PATH',
  'TF_CLI_ARGS',
  'TF_CLI_ARGS_plan',
  'TF_WORKSPACE',
  'TF_DATA_DIR',
  'TF_VAR_name',
  'TF_REATTACH_PROVIDERS',
  'PACKER_LOG',
  'PACKER_LOG_PATH',
  'GITHUB_TOKEN',
  'PROXMOX_TOKEN',
  'PROXMINT_SIGNER_PASSWORD',
]
const PASSED = ['HTTPS_PROXY', 'no_proxy', 'SSL_CERT_DIR', 'XDG_CACHE_HOME', 'HOME', 'PATH', 'LC_ALL']
const OF_TERRAFORM = ['AWS_SECRET_ACCESS_KEY', 'PGPASSWORD', 'TF_HTTP_PASSWORD', 'TF_TOKEN_app_terraform_io']
const OF_PACKER = ['PKR_VAR_locale', 'PACKER_CACHE_DIR']

function stub(): void {
  onTestFinished(() => void vi.unstubAllEnvs())
  for (const name of [...HELD_BACK, ...PASSED, ...OF_TERRAFORM, ...OF_PACKER, 'PAM_WEB3_PACKAGE'])
    if (name !== 'PATH') vi.stubEnv(name, '/tmp/set-by-a-person')
}

async function namesSeenBy(plan: CommandPlan): Promise<string[]> {
  const { stdout } = await runCommand({ ...plan, file: 'env', args: [], cwd: undefined })
  return stdout.split('\n').map(line => line.split('=')[0]!)
}

const tool = (name: Tool['name']): Tool => ({ name, file: name, version: '1', origin: 'path' })
const setting = { tofu: tool('opentofu'), provider: tool('proxmox-provider'), folder: '/', env: {} }

test.each([
  ['init', planInit(setting)],
  ['plan', planPlan(setting, 'all')],
  ['apply', planApply(setting)],
])('Terraform at %s gets the variables it is meant to get, no others', async (_, plan) => {
  stub()
  const seen = await namesSeenBy(plan)
  expect(seen).toEqual(expect.arrayContaining([...PASSED, ...OF_TERRAFORM]))
  expect(HELD_BACK.filter(name => seen.includes(name))).toEqual([])
})

test('Packer gets the variables it is meant to get, and those that its template reads', async () => {
  stub()
  const run = {
    packer: { file: 'packer' },
    dialect: 'modern' as const,
    credentials: sampleCredentials,
    folder: '/',
  }
  const { validate, build } = planBuild({ ...run, variables: {} })
  const seen = await namesSeenBy(build)
  expect(seen).toEqual(expect.arrayContaining([...PASSED, ...OF_PACKER]))
  const own = ['PROXMOX_TOKEN']
  expect(HELD_BACK.filter(name => seen.includes(name) && !own.includes(name))).toEqual([])
  expect(seen).not.toContain('AWS_SECRET_ACCESS_KEY')
  expect(seen).not.toContain('PAM_WEB3_PACKAGE')
  expect(await namesSeenBy(validate)).toEqual(seen)
  const reads = variablesReadBy(await loadTemplate('debian-web3'))
  expect(await namesSeenBy(planBuild({ ...run, variables: {}, reads }).build)).toContain('PAM_WEB3_PACKAGE')
})

test('a variable that is held back is named once, with what to do instead', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const env = {
    TF_LOG: 'TRACE',
    TF_CLI_ARGS_plan: '-refresh=false',
    TF_HTTP_PASSWORD: 'x',
    TF_IN_AUTOMATION: '1',
  }
  warnOfIgnored('terraform', env)
  warnOfIgnored('terraform', env)
  warnOfIgnored('packer', { PACKER_LOG: '1', PACKER_NO_COLOR: '1' })
  expect(written.mock.calls.map(([text]) => String(text))).toEqual([
    expect.stringMatching(/^warning: TF_CLI_ARGS_plan, TF_LOG: ignored by proxmint; .*run OpenTofu/),
    expect.stringMatching(/^warning: PACKER_LOG: ignored by proxmint; .*packer build/),
  ])
})
