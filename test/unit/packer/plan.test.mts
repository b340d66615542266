// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { chmod, cp, mkdir, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildPassword } from '../../../scripts/lib/packer/build-password.mts'
import { changedInputs, inputDigests } from '../../../scripts/lib/packer/input-digest.mts'
import { readManifest } from '../../../scripts/lib/packer/manifest.mts'
import { type PackerRun, planBuild } from '../../../scripts/lib/packer/plan.mts'
import { loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { describeCommand } from '../../../scripts/lib/run/exec.mts'
import { redact } from '../../../scripts/lib/run/redact.mts'
import { sampleCredentials, secret } from '../credentials/sample.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const password = 'correct horse battery'

const credentials = { ...sampleCredentials, password }

const run: PackerRun = {
  packer: { file: '/opt/packer', env: { PACKER_PLUGIN_PATH: '/opt/plugins' } },
  dialect: 'modern',
  credentials,
  folder: '/repo/packer/debian',
  variables: { template_vmid: '9000', template_name: 'debian one' },
}

const place = {
  PACKER_PLUGIN_PATH: '/opt/plugins',
  CHECKPOINT_DISABLE: '1',
  PACKER_NO_COLOR: '1',
  PROXMOX_URL: 'https://pve.example.net:8006/api2/json',
  PROXMOX_NODE: 'pve',
  PROXMOX_STORAGE_POOL: 'tank',
  PROXMOX_SKIP_TLS_VERIFY: 'false',
}

describe('the plan of a build', () => {
  test('its two commands', () => {
    const { validate, build } = planBuild(run)
    const variables = ['-var', 'template_vmid=9000', '-var', 'template_name=debian one', '.']
    expect(validate).toMatchObject({ file: '/opt/packer', cwd: '/repo/packer/debian' })
    expect(validate.args).toEqual(['validate', ...variables])
    expect(build).toMatchObject({ file: '/opt/packer', cwd: '/repo/packer/debian' })
    expect(build.args).toEqual(['build', '-color=false', '-timestamp-ui', '-on-error=cleanup', ...variables])
  })

  test.each<[string, Partial<PackerRun>, Record<string, string | undefined>]>([
    [
      'a modern Packer: the API token, and no password that the shell may hold',
      {},
      {
        PROXMOX_USERNAME: 'terraform@pve!terraform-token',
        PROXMOX_TOKEN: secret,
        PROXMOX_PASSWORD: undefined,
      },
    ],
    [
      'the packaged Packer: the password, and no token',
      { dialect: 'packaged' },
      { PROXMOX_USERNAME: 'terraform@pve', PROXMOX_PASSWORD: password, PROXMOX_TOKEN: undefined },
    ],
    [
      'a CA file and any certificate',
      { credentials: { ...credentials, caFile: '/etc/ssl/pve.pem', skipTlsVerify: true } },
      {
        PROXMOX_USERNAME: 'terraform@pve!terraform-token',
        PROXMOX_TOKEN: secret,
        PROXMOX_PASSWORD: undefined,
        SSL_CERT_FILE: '/etc/ssl/pve.pem',
        PROXMOX_SKIP_TLS_VERIFY: 'true',
      },
    ],
  ])('%s', (_, changes, login) => {
    const { validate, build } = planBuild({ ...run, ...changes })
    expect(validate.env).toStrictEqual({ ...place, ...login })
    expect(build.env).toStrictEqual(validate.env)
  })

  test('secrets of the build: by environment, never in argv', () => {
    const { validate, build } = planBuild({ ...run, secrets: { build_password: 'aA1-secret' } })
    expect([validate.env, build.env]).toEqual(
      Array(2).fill(expect.objectContaining({ PKR_VAR_build_password: 'aA1-secret' })),
    )
    expect([...validate.args, ...build.args].join(' ')).not.toContain('aA1-secret')
  })

  test('the packaged Packer without a password', async () => {
    const without = { ...credentials, password: undefined }
    const failure = await failureOf(() => planBuild({ ...run, dialect: 'packaged', credentials: without }))
    expect(failure.message).toContain('knows no API tokens, and the credentials hold no password')
  })

  test.each(['modern', 'packaged'] as const)('no secret in what is run or shown: %s', dialect => {
    for (const plan of Object.values(planBuild({ ...run, dialect }))) {
      const shown = [plan.file, ...plan.args, plan.cwd, describeCommand(plan)].join(' ')
      expect(shown).not.toContain(secret)
      expect(shown).not.toContain(password)
    }
  })
})

describe("the build's password", () => {
  const variable = {
    name: 'build_password',
    file: 'x',
    line: 1,
    sensitive: true,
    type: 'string',
    defaultText: undefined,
  }

  test('another for each build, and unprintable', () => {
    const [first, second] = [1, 2].map(() => buildPassword({ variables: [variable] })['build_password']!)
    expect(first).toMatch(/^aA1-[0-9a-f]{32}$/)
    expect(second).not.toBe(first)
    expect(redact(`net user Administrator ${first}`)).toBe('net user Administrator ***')
  })

  test('none where the template asks for none', () => {
    expect(buildPassword({ variables: [{ ...variable, name: 'bridge' }] })).toEqual({})
  })
})

describe('the manifest', () => {
  const build = {
    name: 'debian',
    builder_type: 'proxmox-clone',
    build_time: 1767600000,
    files: null,
    artifact_id: '9000',
    packer_run_uuid: 'second',
    custom_data: { debian_release: '12' },
  }
  const write = async (content: unknown) => {
    const file = join(await temporaryFolder(), 'manifest.json')
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
    return file
  }

  test('names the VM template of the last run', async () => {
    const earlier = { ...build, artifact_id: '8999', packer_run_uuid: 'first' }
    const file = await write({ builds: [earlier, build], last_run_uuid: 'second' })
    expect(await readManifest(file)).toEqual({
      vmid: 9000,
      builder: 'proxmox-clone',
      builtAt: 1767600000,
      customData: { debian_release: '12' },
    })
  })

  test('without custom data', async () => {
    const file = await write({ builds: [{ ...build, custom_data: null }], last_run_uuid: 'second' })
    expect(await readManifest(file)).toMatchObject({ vmid: 9000, customData: {} })
  })

  test('missing', async () => {
    expect(await failureOf(() => readManifest('/no/such/manifest.json'))).toEqual({
      message: 'Packer succeeded but wrote no manifest /no/such/manifest.json',
      hint: 'the template needs a `manifest` post-processor with `output = var.manifest`',
      exitCode: 1,
      facts: {},
    })
  })

  test.each<[string, unknown, string | undefined]>([
    ['of no run', { builds: [], last_run_uuid: '' }, undefined],
    ['of another run alone', { builds: [build], last_run_uuid: 'third' }, undefined],
    ['with no VMID', { builds: [{ ...build, artifact_id: 'none' }], last_run_uuid: 'second' }, 'none'],
    ['with VMID 0', { builds: [{ ...build, artifact_id: '0' }], last_run_uuid: 'second' }, '0'],
    ['of another shape', { vmid: 9000 }, undefined],
    ['that is no object', [], undefined],
    ['cut off', '{"builds": [', undefined],
    ['empty', '', undefined],
  ])('%s', async (_, content, artifact) => {
    const file = await write(content)
    expect(await failureOf(() => readManifest(file))).toEqual({
      message: `the manifest ${file} names no VM template`,
      hint: expect.stringContaining('manifest'),
      exitCode: 1,
      facts: { artifact },
    })
  })
})

describe('the digest of the inputs', () => {
  /** A copy of the minimal family; `change` may alter its folder. */
  async function digest(
    change: (folder: string) => Promise<unknown> = async () => {},
    variables: Record<string, string> = { a: '1', b: '2' },
  ): Promise<string> {
    const root = await temporaryFolder()
    const folder = join(root, 'minimal')
    await cp('test/fixtures/valid/packer/minimal', folder, { recursive: true })
    await mkdir(join(folder, 'scripts'))
    await writeFile(join(folder, 'scripts', 'clean-up.sh'), 'true\n')
    await change(folder)
    return (await inputDigests(await loadTemplate('minimal', root), variables)).digest
  }

  test('a SHA-256 in hexadecimal', async () => {
    expect(await digest()).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each<[string, Parameters<typeof digest>]>([
    ['in another place', []],
    ['variables in another order', [undefined, { b: '2', a: '1' }]],
    ['another time and mode', [folder => touch(join(folder, 'scripts', 'clean-up.sh'))]],
    ['an empty folder', [folder => mkdir(join(folder, 'empty'))]],
    ['a README', [folder => writeFile(join(folder, 'README.md'), 'words\n')]],
  ])('the same: %s', async (_, parameters) => {
    expect(await digest(...parameters)).toBe(await digest())
  })

  test.each<[string, Parameters<typeof digest>]>([
    ['a variable has another value', [undefined, { a: '1', b: '3' }]],
    ['a variable has another name', [undefined, { a: '1', c: '2' }]],
    ['a variable is gone', [undefined, { a: '1' }]],
    ['two values are swapped', [undefined, { a: '2', b: '1' }]],
    ['a script changed', [folder => writeFile(join(folder, 'scripts', 'clean-up.sh'), 'false\n')]],
    ['a script is gone', [folder => rm(join(folder, 'scripts', 'clean-up.sh'))]],
    ['a file came', [folder => writeFile(join(folder, 'new.txt'), '')]],
    [
      'a file has another name',
      [
        async folder => {
          await rm(join(folder, 'scripts', 'clean-up.sh'))
          await writeFile(join(folder, 'scripts', 'clean.sh'), 'true\n')
        },
      ],
    ],
  ])('another: %s', async (_, parameters) => {
    expect(await digest(...parameters)).not.toBe(await digest())
  })

  /** The family's provisioner runs `script`; what lies beside the family is `files`. Gives the digested files. */
  async function filesOf(script: string, files: string[]): Promise<string[]> {
    const root = await temporaryFolder()
    await mkdir(join(root, 'x'))
    await writeFile(join(root, 'x', 'x.pkr.hcl'), `build {\n  provisioner "shell" {\n    ${script}\n  }\n}\n`)
    for (const file of files) {
      await mkdir(dirname(join(root, file)), { recursive: true })
      await writeFile(join(root, file), '')
    }
    const { inputs } = await inputDigests({ folder: join(root, 'x') }, {})
    return Object.keys(inputs).map(name => name.replace(/^file /, ''))
  }

  const beside = [
    'common/a.sh',
    'common/a.sh.old',
    'common/b.sh',
    'common/more/c.sh',
    'common/README.md',
    'y/y.sh',
    'xx/x.sh',
  ]

  test.each<[string, string, string[]]>([
    ['nothing', 'script = "${path.root}/scripts/a.sh"', []],
    ['a file', 'script = "${path.root}/../common/a.sh"', ['common/a.sh']],
    ['a file, from the folder', 'script = "../common/a.sh"', ['common/a.sh']],
    [
      'several files',
      'scripts = ["${path.root}/../common/a.sh", "${path.root}/../y/y.sh"]',
      ['common/a.sh', 'y/y.sh'],
    ],
    ['a file by a detour', 'script = "${path.root}/../y/../common/b.sh"', ['common/b.sh']],
    [
      'a folder',
      'source = "${path.root}/../common"',
      ['common/a.sh', 'common/a.sh.old', 'common/b.sh', 'common/more/c.sh'],
    ],
    ['a folder below', 'source = "${path.root}/../common/more/"', ['common/more/c.sh']],
    ['a variable', 'script = "${path.root}/../common/${var.kind}.sh"', beside.slice(0, 4)],
    ['a variable behind a letter', 'script = "${path.root}/../common/b${var.kind}"', ['common/b.sh']],
    ['all that is beside it', 'script = "${path.root}/../${var.kind}/a.sh"', beside.filter(isInput)],
    ['no such file', 'script = "${path.root}/../common/z.sh"', []],
    ['a file outside of packer/', 'script = "${path.root}/../../common/a.sh"', []],
  ])('a path out of the folder names %s', async (_, script, files) => {
    expect(await filesOf(script, beside)).toEqual([...files.map(file => `../${file}`).sort(), 'x.pkr.hcl'])
  })

  function isInput(file: string): boolean {
    return !file.endsWith('README.md')
  }

  test('a shared script that changed changes the digest of who runs it', async () => {
    const root = await temporaryFolder()
    await cp('packer', root, { recursive: true })
    const digests = async () =>
      Promise.all(
        ['debian', 'nixos', 'talos'].map(
          async os => (await inputDigests({ folder: join(root, os) }, {})).digest,
        ),
      )
    const before = await digests()
    await writeFile(join(root, 'common', 'close-ports.sh'), 'true\n')
    const after = await digests()
    expect(before.map((digest, index) => digest === after[index])).toEqual([false, true, true])
  })

  test('what changed is told by name', () => {
    const before = { 'file a.sh': '1', 'variable bridge': '2', packer: '3' }
    const after = { 'file a.sh': '9', packer: '3', 'image debian-12': '4' }
    expect(changedInputs(before, after)).toEqual([
      'file a.sh changed',
      'image debian-12 is new',
      'variable bridge is gone',
    ])
    expect(changedInputs(before, before)).toEqual([])
  })

  async function touch(file: string): Promise<void> {
    await utimes(file, 1, 1)
    await chmod(file, 0o755)
  }
})
