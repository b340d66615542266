import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { filesBelow, leftovers } from './leftovers.mts'
import { run, zxOutside } from './outside.mts'
import { initCredentials, labCredentials, sopsEnvironment } from './sops-credentials.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  workspace = await createWorkspace(lab)
  expect(await initCredentials(workspace, labCredentials(lab))).toMatchObject({ code: 0, stderr: '' })
})
afterAll(async () => {
  expect(await leftovers(rootClient(lab), workspace)).toEqual([])
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

const standardFile = 'secrets/proxmox-creds.enc.yaml'

/** Runs a command whose login is in the encrypted file and nowhere else. */
function withFile(file: string, name: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const credentials = { ...sopsEnvironment(workspace), PROXMINT_CREDENTIALS: file }
  return zxOutside(workspace, name, args, { env: { ...credentials, ...env } })
}

const check = (file: string, env?: NodeJS.ProcessEnv): Promise<ExecResult> =>
  withFile(file, 'credentials', ['check'], env)

/** Encrypted by SOPS itself: `credentials init` takes no faulty values. */
async function encrypt(name: string, change: Record<string, string>): Promise<string> {
  const file = `secrets/${name}.enc.yaml`
  await writeFile(join(workspace.folder, file), JSON.stringify({ ...labCredentials(lab), ...change }))
  const sops = await requireTool('sops')
  expect(await run(workspace, [sops.file, '--encrypt', '--in-place', file])).toMatchObject({ code: 0 })
  return file
}

test('the right values log in', async () => {
  expect(await check(standardFile)).toEqual({
    code: 0,
    stdout: expect.stringContaining(`proxmint@pve!lab at ${lab.url}: Proxmox VE 9.`),
    stderr: '',
  })
})

describe('no credentials at all', () => {
  test.concurrent.each([
    ['build', ['debian']],
    ['base', ['import', 'debian']],
    ['check-permissions', []],
    ['credentials', ['check']],
    ['credentials', ['export']],
  ])('%s %j', async (name, args) => {
    expect(await withFile('secrets/none.enc.yaml', name, args)).toEqual({
      code: exitCodes.denied,
      stdout: '',
      stderr:
        'error: no credentials: neither PROXMOX_URL in the environment nor secrets/none.enc.yaml\n' +
        'hint: run `zx scripts/credentials.mts init`, which makes an age identity and the encrypted file\n',
    })
  })
})

describe('one mistake in the encrypted file', () => {
  const uuid = '01234567-89ab-cdef-0123-456789abcdef'

  test.concurrent.each([
    {
      name: 'full-token',
      change: { proxmox_token_secret: `PVEAPIToken=proxmint@pve!lab=${uuid}` },
      error: 'proxmox_token_secret holds the full token',
      hint: 'keep only the secret, after the last `=`',
    },
    {
      name: 'token-id-in-user',
      change: { proxmox_user: 'proxmint@pve!lab' },
      error: 'proxmox_user holds a token id (`!lab`)',
      hint: 'set it to proxmint@pve, and put lab into the value for the token id',
    },
    {
      name: 'no-realm',
      change: { proxmox_user: 'proxmint' },
      error: 'proxmox_user has no realm',
      hint: 'set it to proxmint@pve (or the realm the user is in)',
    },
    {
      name: 'no-path',
      change: { proxmox_url: 'https://pve.example.net:8006' },
      error: 'proxmox_url lacks the path /api2/json',
      hint: 'set it to https://pve.example.net:8006/api2/json',
    },
    {
      name: 'slash',
      change: { proxmox_url: 'https://pve.example.net:8006/api2/json/' },
      error: 'proxmox_url ends with a slash',
      hint: 'set it to https://pve.example.net:8006/api2/json',
    },
    {
      name: 'plain-http',
      change: { proxmox_url: 'http://pve.example.net:8006/api2/json' },
      error: 'proxmox_url does not begin with https://',
      hint: 'set it to https://pve.example.net:8006/api2/json',
    },
    {
      name: 'no-uuid',
      change: { proxmox_token_secret: 'correct-horse-battery-staple' },
      error: 'proxmox_token_secret is not a UUID',
      hint: 'a token secret looks like 01234567-89ab-cdef-0123-456789abcdef; Proxmox shows it once: make a new token if it is lost',
    },
    {
      name: 'sample',
      change: { proxmox_token_secret: 'your-secret-here' },
      error: 'proxmox_token_secret still holds the sample value',
      hint: 'set it to the secret that Proxmox showed when the token was made',
    },
    {
      name: 'typo',
      change: { proxmox_pasword: 'correct-horse' },
      error: 'proxmox_pasword is not a key of this file',
      hint: 'rename it to proxmox_password',
    },
  ])('$name', async ({ name, change, error, hint }) => {
    const file = await encrypt(name, change)
    expect(await check(file)).toEqual({
      code: exitCodes.invalid,
      stdout: '',
      stderr: `error: ${file}: ${error}\nhint: ${hint}\n`,
    })
  })

  test('@pam where @pve is meant: a warning before the login that Proxmox refuses', async () => {
    const { code, stderr } = await check(await encrypt('pam', { proxmox_user: 'proxmint@pam' }))
    expect(code).toBe(exitCodes.denied)
    expect(stderr.split('\n').slice(0, 3)).toEqual([
      'warning: proxmox_user is proxmint@pam: @pam users are Linux accounts of the node; a user made in Proxmox alone is proxmint@pve',
      'error: GET /version: 401 Authentication failed!',
      '  identity: proxmint@pam!lab',
    ])
  })
})

test('several mistakes are told at once, before a build asks anybody', async () => {
  const file = await encrypt('several', { proxmox_user: 'proxmint', proxmox_node: '', proxmox_url: 'pve' })
  expect(await withFile(file, 'build', ['debian'])).toEqual({
    code: exitCodes.invalid,
    stdout: '',
    stderr: [
      `error: ${file}: 3 faults:`,
      '  - proxmox_node is missing',
      `    fix: sops edit ${file}, and add proxmox_node`,
      '  - proxmox_url is not a URL',
      '    fix: set it to https://pve.example.net:8006/api2/json',
      '  - proxmox_user has no realm',
      '    fix: set it to proxmint@pve (or the realm the user is in)',
      'hint: correct each as its `fix` says',
      '',
    ].join('\n'),
  })
})

describe('a file that SOPS cannot open', () => {
  test('not encrypted', async () => {
    const file = 'secrets/clear.enc.yaml'
    await writeFile(join(workspace.folder, file), JSON.stringify(labCredentials(lab)))
    expect(await check(file)).toEqual({
      code: exitCodes.denied,
      stdout: '',
      stderr:
        `error: ${file} is not encrypted\n` +
        `hint: run \`sops encrypt --in-place ${file}\`; if it was ever pushed, make a new API token as well\n`,
    })
  })

  test("encrypted for somebody else's identity", async () => {
    const identity = join(workspace.folder, 'stranger.txt')
    const age = await requireTool('age')
    await run(workspace, [age.file.replace(/age$/, 'age-keygen'), '-o', identity])
    expect(await check(standardFile, { SOPS_AGE_KEY_FILE: identity })).toEqual({
      code: exitCodes.denied,
      stdout: '',
      stderr: [
        `error: cannot decrypt ${standardFile}: none of your age identities is among its recipients`,
        `  identity: ${identity}`,
        'hint: ask someone who can open it to add your recipient (`age-keygen -y FILE`) to .sops.yaml and run `sops updatekeys`',
        '',
      ].join('\n'),
    })
  })
})

test('an age identity whose file is not there', async () => {
  const identity = join(workspace.folder, 'no-such-identity.txt')
  expect(await check(standardFile, { SOPS_AGE_KEY_FILE: identity })).toEqual({
    code: exitCodes.denied,
    stdout: '',
    stderr: [
      `error: cannot decrypt ${standardFile}: the file of your age identity does not exist`,
      `  identity: ${identity}`,
      'hint: put your copy of it there, or name another file in SOPS_AGE_KEY_FILE; without a copy, make one with age-keygen and ask someone who can open the credentials to add its recipient',
      '',
    ].join('\n'),
  })
})

describe('rules of .sops.yaml as GitOps users have them', () => {
  const recipientOf = async (folder: string): Promise<string> =>
    /public key: (age1\w+)/.exec(await readFile(join(folder, 'age-identity.txt'), 'utf8'))![1]!
  const FLUX = 'encrypted_regex: ^(data|stringData)$'
  const secret = (): string => lab.tokenEnv['PROXMOX_TOKEN']!

  /** A workspace with an identity and these rules; `RECIPIENT` stands for it. */
  async function withRules(rules: string): Promise<Workspace> {
    const other = await createWorkspace(lab)
    const age = await requireTool('age')
    const made = await run(other, [join(dirname(age.file), 'age-keygen'), '-o', 'age-identity.txt'])
    expect(made).toMatchObject({ code: 0 })
    await writeFile(
      join(other.folder, '.sops.yaml'),
      rules.replaceAll('RECIPIENT', await recipientOf(other.folder)),
    )
    return other
  }

  test('a token in the clear is refused at every load, and the fix mends it', async () => {
    await using other = await withRules(`creation_rules:\n  - ${FLUX}\n    age: RECIPIENT\n`)
    const sops = await requireTool('sops')
    await writeFile(join(other.folder, standardFile), JSON.stringify(labCredentials(lab)))
    expect(await run(other, [sops.file, 'encrypt', '--in-place', standardFile])).toMatchObject({ code: 0 })
    expect(await readFile(join(other.folder, standardFile), 'utf8')).toContain(secret())
    const env = sopsEnvironment(other)
    for (const [name, args] of [
      ['credentials', ['check']],
      ['credentials', ['export']],
      ['build', ['debian']],
    ] as const) {
      const { code, stdout, stderr } = await zxOutside(other, name, [...args], { env })
      expect({ code, stdout }).toEqual({ code: exitCodes.denied, stdout: '' })
      expect(stderr).toContain(
        `error: SOPS leaves proxmox_token_secret and proxmox_password in the clear in ${standardFile}\n  rule: ${FLUX} (.sops.yaml, line 2)\n`,
      )
      expect(stderr).toContain('if the file was ever pushed, make new ones')
      expect(stderr).not.toContain(secret())
    }
    const recipient = await recipientOf(other.folder)
    const rule = `  - path_regex: secrets/.*\\.enc\\.yaml$\n    age: ${recipient}\n`
    await other.edit('.sops.yaml', 'creation_rules:\n', `creation_rules:\n${rule}`)
    const again = `"$0" decrypt --in-place ${standardFile} && "$0" encrypt --in-place ${standardFile}`
    const environment = `SOPS_AGE_KEY_FILE=${env['SOPS_AGE_KEY_FILE']}`
    expect(await run(other, ['env', environment, 'sh', '-c', again, sops.file])).toMatchObject({ code: 0 })
    expect(await zxOutside(other, 'credentials', ['check'], { env })).toMatchObject({ code: 0, stderr: '' })
  })

  test.each([FLUX, 'encrypted_suffix: _enc', 'unencrypted_regex: ^proxmox_', 'unencrypted_suffix: _secret'])(
    'init writes no file by %s',
    async rule => {
      await using other = await withRules(`creation_rules:\n  - age: RECIPIENT\n    ${rule}\n`)
      const before = await filesBelow(other.folder)
      const { code, stderr } = await initCredentials(other, labCredentials(lab))
      expect(code).toBe(exitCodes.denied)
      expect(stderr).toContain(`  rule: ${rule} (.sops.yaml, line 3)\n`)
      const recipient = await recipientOf(other.folder)
      expect(stderr).toContain(
        `run this again; the file was not written:\n  - path_regex: secrets/.*\\.enc\\.yaml$\n    age: ${recipient}\n`,
      )
      expect(await filesBelow(other.folder)).toEqual(before)
    },
  )

  test('without a rule for secrets/ init prints the one to add, and then works', async () => {
    await using other = await withRules(
      `creation_rules:\n  - path_regex: clusters/.*\n    ${FLUX}\n    age: RECIPIENT\n`,
    )
    const refused = await initCredentials(other, labCredentials(lab))
    const rule = `  - path_regex: secrets/.*\\.enc\\.yaml$\n    age: ${await recipientOf(other.folder)}\n`
    expect(refused).toEqual({
      code: exitCodes.invalid,
      stdout: '',
      stderr: `error: no rule of .sops.yaml is for ${standardFile}\nhint: add to \`creation_rules\` in .sops.yaml, and run this again; the file was not written:\n${rule}`,
    })
    await other.edit('.sops.yaml', 'creation_rules:\n', `creation_rules:\n${rule}`)
    expect(await initCredentials(other, labCredentials(lab))).toMatchObject({ code: 0, stderr: '' })
  })

  test('a rule with the recipients of others alone is refused', async () => {
    await using other = await withRules(
      'creation_rules:\n  - age: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n',
    )
    const { code, stderr } = await initCredentials(other, labCredentials(lab))
    expect(code).toBe(exitCodes.invalid)
    expect(stderr).toContain('error: .sops.yaml does not name your recipient')
  })
})

test('init makes nothing of YAML that SOPS does not take', async () => {
  await using other = await createWorkspace(lab)
  const before = await filesBelow(other.folder)
  const lines = Object.entries(labCredentials(lab)).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  // A line of a single tab: YAML for some readers, a fault for SOPS.
  const input = `${lines.join('\n')}\n\t\n`
  const { code, stdout, stderr } = await zxOutside(other, 'credentials', ['init'], {
    env: sopsEnvironment(other),
    input,
  })
  expect({ code, stdout }).toEqual({ code: exitCodes.invalid, stdout: '' })
  expect(stderr).toMatch(/^error: SOPS cannot encrypt what it was given\n {2}sops: .*yaml: line 9: found /)
  expect(stderr).toContain('\nhint: correct the YAML on standard input; nothing was made\n')
  expect(await filesBelow(other.folder)).toEqual(before)
})

test('init refuses faulty values and makes nothing', async () => {
  await using other = await createWorkspace(lab)
  const before = await filesBelow(other.folder)
  const outcome = await initCredentials(other, { ...labCredentials(lab), proxmox_user: 'proxmint' })
  expect(outcome).toEqual({
    code: exitCodes.invalid,
    stdout: '',
    stderr:
      'error: standard input: proxmox_user has no realm\nhint: set it to proxmint@pve (or the realm the user is in)\n',
  })
  expect(await filesBelow(other.folder)).toEqual(before)
})
