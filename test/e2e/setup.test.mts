import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findTool } from '../../scripts/lib/tools/find.mts'
import type { Tool } from '../../scripts/lib/tools/tool.mts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const node = join(root, 'node_modules', '.bin', 'node')

interface Outcome {
  code: number
  stdout: string
  stderr: string
}

function run(file: string, args: string[], env: NodeJS.ProcessEnv = {}, cwd = root): Promise<Outcome> {
  return new Promise(resolve => {
    execFile(file, args, { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, stdout, stderr })
    })
  })
}

const setup = (args: string[], env?: NodeJS.ProcessEnv): Promise<Outcome> =>
  run(node, [join('node_modules', '.bin', 'zx'), 'scripts/setup.mts', ...args], env)

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-setup-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** A machine with no tool on PATH and an empty cache; npm, and so mise, is not there either. */
async function bareEnv(): Promise<NodeJS.ProcessEnv> {
  const folder = await temporaryFolder()
  return { PATH: dirname(node), XDG_CACHE_HOME: join(folder, 'cache') }
}

describe('a set-up for the tests', () => {
  test('prints the tools as one JSON document; each runs and is the version it is said to be', async () => {
    const { code, stdout, stderr } = await setup(['--for', 'test', '--json'])
    expect(stderr).not.toMatch(/^error:/m)
    expect(code).toBe(0)
    const { tools } = JSON.parse(stdout) as { tools: Tool[] }
    expect(tools.map(tool => tool.name)).toEqual(['packer', 'sops', 'age', 'opentofu', 'proxmox-provider'])
    // The provider speaks to OpenTofu alone; opentofu.test.mts runs it.
    for (const tool of tools.filter(({ name }) => name !== 'proxmox-provider')) {
      const answer = await run(tool.file, ['--version'], { ...tool.env, SOPS_DISABLE_VERSION_CHECK: 'true' })
      expect(`${answer.stdout}${answer.stderr}`).toContain(tool.version)
    }
  })

  test('the tools work together: what sops encrypts for a new age key, it decrypts', async () => {
    const [sops, age] = [await findTool('sops'), await findTool('age')]
    const folder = await temporaryFolder()
    const env = {
      PATH: [dirname(sops!.file), dirname(age!.file), process.env['PATH']].join(delimiter),
      SOPS_AGE_KEY_FILE: join(folder, 'key.txt'),
      SOPS_AGE_RECIPIENTS: '',
    }
    const keygen = await run('age-keygen', ['-o', 'key.txt'], env, folder)
    env.SOPS_AGE_RECIPIENTS = /age1\w+/.exec(keygen.stderr)![0]
    await writeFile(join(folder, 'clear.yaml'), 'colour: green\n')
    expect((await run('sops', ['encrypt', '--in-place', 'clear.yaml'], env, folder)).stderr).toBe('')
    expect(await readFile(join(folder, 'clear.yaml'), 'utf8')).toMatch(/colour: ENC\[/)
    expect((await run('sops', ['decrypt', 'clear.yaml'], env, folder)).stdout).toBe('colour: green\n')
  })
})

describe('a machine with nothing on it', () => {
  test('--dry-run says what would be tried, and tries nothing', async () => {
    const { code, stdout, stderr } = await setup(['--only', 'sops,age', '--dry-run'], await bareEnv())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(
      [
        'sops: not there; would try: official release, built with Go',
        'age: not there; would try: official release, distribution, built with Go',
        'system packages: nothing is missing',
        '',
      ].join('\n'),
    )
  })

  test('fails with every way that was closed, and what would open it', async () => {
    const { code, stdout, stderr } = await setup(['--only', 'sops'], await bareEnv())
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('error: the set-up is incomplete: sops missing')
    expect(stderr).toContain('its release cannot be downloaded: npm is not on PATH')
    expect(stderr).toContain('Go is not installed; with Go 1.26.0 or newer (go.dev/dl) on PATH')
    expect(stderr).toMatch(/^hint: open one of the ways above/m)
  })
})

describe('a call that is wrong', () => {
  test.each([
    [['--for', 'fun'], 'option `--for` takes demo, test, qemu, all, not `fun`'],
    [
      ['--only', 'sops,vault'],
      'option `--only` knows packer, sops, age, opentofu, proxmox-provider, not `vault`',
    ],
  ])('%j', async (args, message) => {
    expect(await setup(args)).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: ${message}\nhint: zx scripts/setup.mts --help\n`,
    })
  })
})

const [opentofu, provider] = [await findTool('opentofu'), await findTool('proxmox-provider')]

describe.skipIf(opentofu === undefined || provider === undefined)('the provider mirror', () => {
  test('OpenTofu takes the provider from it without a network', async () => {
    const folder = await temporaryFolder()
    const proxmox = { source: 'bpg/proxmox', version: provider!.version }
    const config = { terraform: { required_providers: { proxmox } } }
    await writeFile(join(folder, 'main.tf.json'), JSON.stringify(config))
    const noNetwork = 'http://127.0.0.1:9'
    const env = { ...provider!.env, HTTPS_PROXY: noNetwork, PATH: [dirname(node), '/bin'].join(delimiter) }
    const init = await run(opentofu!.file, ['init', '-no-color'], env, folder)
    expect(init.stdout).toContain(`Installed bpg/proxmox v${provider!.version}`)
    const schema = await run(opentofu!.file, ['providers', 'schema', '-json'], env, folder)
    expect(schema.stdout).toContain('proxmox_virtual_environment_vm')
  })
})
