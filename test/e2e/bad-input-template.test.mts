import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { leftovers } from './leftovers.mts'
import { zxOutside } from './outside.mts'
import { createWorkspace, repository, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
})
afterAll(() => lab.close())
beforeEach(async () => {
  workspace = await createWorkspace(lab)
})
afterEach(async () => {
  expect(await leftovers(rootClient(lab), workspace)).toEqual([])
  await workspace[Symbol.asyncDispose]()
})

const source = 'packer/debian/debian.pkr.hcl'

const build = (os = 'debian', env: NodeJS.ProcessEnv = {}): Promise<ExecResult> =>
  zxOutside(workspace, 'build', [os], { env })

const told = (code: number, ...lines: string[]): ExecResult => ({
  code,
  stdout: '',
  stderr: `${lines.join('\n')}\n`,
})

describe('an OS that has no template', () => {
  test('with the nearest that has', async () => {
    expect(await build('debain')).toEqual(
      told(
        exitCodes.usage,
        'error: unknown OS debain; did you mean debian?',
        '  known: arch, debian, debian-web3, nixos, talos, ubuntu, windows',
        'hint: a template family is a folder of packer/',
      ),
    )
  })

  test('without, where none is near', async () => {
    expect(await build('freebsd')).toEqual(
      told(
        exitCodes.usage,
        'error: unknown OS freebsd',
        '  known: arch, debian, debian-web3, nixos, talos, ubuntu, windows',
        'hint: a template family is a folder of packer/',
      ),
    )
  })

  test('the same for the image of a base VM', async () => {
    expect(await zxOutside(workspace, 'base', ['import', 'debian-21'])).toEqual(
      told(
        exitCodes.usage,
        'error: unknown image debian-21; did you mean debian-12?',
        '  known: debian-12',
        'hint: images are named under `images` in config/proxmint.yaml',
      ),
    )
  })

  test('a folder without a template', async () => {
    await mkdir(join(workspace.folder, 'packer/plan9'))
    expect(await build('plan9')).toEqual(
      told(
        exitCodes.invalid,
        'error: packer/plan9 holds no *.pkr.hcl and no *.pkr.json file',
        'hint: a template family is a folder of packer/ with a template',
      ),
    )
  })
})

/** The line, from 1, on which something stands in the untouched template. */
async function lineOf(text: string): Promise<number> {
  const before = (await readFile(join(repository, source), 'utf8')).split(text)[0]!
  return before.split('\n').length
}

describe('a template with a syntax error is told by file and line', () => {
  test.each([
    ['a string that is not closed', 'os              = "l26', 'LINE: the string of line LINE is not closed'],
    [
      'an attribute without a value',
      'full_clone =',
      'LINE,15: Invalid expression; Expected the start of an expression, but found an invalid expression token.',
    ],
    [
      'a word too many',
      'full_clone = true false',
      'LINE,21: Missing newline after argument; An argument definition must end with a newline.',
    ],
  ])('%s', async (_name, broken, error) => {
    const name = broken.split(' ')[0]!
    const line = await lineOf(`  ${name} `)
    await workspace.edit(source, new RegExp(`(?<=\n  )${name} .*`), broken)
    const { code, stdout, stderr } = await build()
    expect(stderr).toContain(`packer/debian/debian.pkr.hcl:${error.replaceAll('LINE', String(line))}\n`)
    expect({ code, stdout }).toEqual({ code: exitCodes.invalid, stdout: '' })
  })

  test('a block that is not closed', async () => {
    await workspace.edit(source, /\n}\s*$/, '\n')
    const { code, stdout, stderr } = await build()
    expect(stderr).toMatch(
      new RegExp(
        `^error: ${source}:\\d+: block \`build\` of line ${await lineOf('build {')} is not closed\n`,
      ),
    )
    expect({ code, stdout }).toEqual({ code: exitCodes.invalid, stdout: '' })
  })
})

describe('a template that breaks a rule', () => {
  test.each([
    {
      name: 'a misspelt attribute',
      from: 'qemu_agent ',
      to: 'qemu_agnet ',
      line: 'qemu_agent ',
      what: 'proxmox-clone does not know `qemu_agnet` [known-attribute]',
      why: 'the plugin refuses unknown attributes and blocks (list: hashicorp/proxmox 1.2.4)',
      fix: 'write `qemu_agent`',
    },
    {
      name: 'a wait for cloud-init that does not accept 2',
      from: /\n *valid_exit_codes.*/,
      to: '',
      line: '"cloud-init status --wait"',
      what: '`cloud-init status --wait` without the exit codes 0 and 2 [valid-exit-codes]',
      why: 'cloud-init 23.4 and newer end with 2 (degraded done) for a mere deprecation, and Proxmox writes a deprecated `user:` into its cloud-init drive',
      fix: 'valid_exit_codes = [0, 2]',
    },
    {
      name: 'a linked clone',
      from: 'full_clone = true',
      to: 'full_clone = false',
      line: 'full_clone = true',
      what: '`full_clone` is not true [full-clone]',
      why: 'a linked clone shares its base disk: it can stop at boot with "PARTUUID does not exist. Dropping to a shell!", and ties the template to the base VM for ever',
      fix: 'full_clone = true',
    },
  ])('$name', async ({ from, to, line, what, why, fix }) => {
    await workspace.edit(source, from, to)
    expect(await build()).toEqual(
      told(
        exitCodes.invalid,
        'error: packer/debian: 1 violation of the template rules',
        `  ${source}:${await lineOf(line)}: ${what}`,
        `    why: ${why}`,
        `    fix: ${fix}`,
        'hint: correct each as its `fix` says; nothing was built',
      ),
    )
  })

  test('no variable for the reserved VMID', async () => {
    await workspace.edit('packer/debian/variables.pkr.hcl', 'variable "template_vmid"', 'variable "vmid"')
    await workspace.edit(source, 'var.template_vmid', 'var.vmid')
    expect(await build()).toEqual(
      told(
        exitCodes.invalid,
        'error: packer/debian: 1 violation of the template rules',
        '  packer/debian/debian.pkr.hcl:1: the template declares no variable template_vmid [handover]',
        '    why: a build hands over the reserved VMID, the name and the manifest in these variables',
        '    fix: declare them as packer/debian/variables.pkr.hcl does',
        'hint: correct each as its `fix` says; nothing was built',
      ),
    )
  })

  const places = (stderr: string) =>
    [...stderr.matchAll(/^ *(\S+: .*\[.*\]|.*line \d+: .*)$/gm)].map(([line]) => line)

  test('every fault comes at once, without a Proxmox and credentials', async () => {
    await workspace.edit(source, 'qemu_agent ', 'qemu_agnet ')
    await workspace.edit(source, 'full_clone = true', 'full_clone = false')
    await workspace.edit('packer/debian/variables.pkr.hcl', 'variable "build_id"', 'variable "id"')
    await workspace.edit('packer/debian/family.yaml', 'packages: dpkg', 'packages: rpm')
    const env = { PROXMOX_URL: '', PROXMOX_USERNAME: '', PROXMOX_TOKEN: '' }
    const { code, stdout, stderr } = await zxOutside(workspace, 'build', ['debian', '--rules-only'], { env })
    expect(places(stderr).map(line => line.replaceAll(/^.*\[|\].*$/g, '').slice(0, 30))).toEqual([
      'handover',
      'full-clone',
      'known-attribute',
      expect.stringContaining('line'),
    ])
    expect({ code, stdout }).toEqual({ code: exitCodes.invalid, stdout: '' })
  })

  test('two sources, and a folder whose name a VM cannot have', async () => {
    await cp(join(workspace.folder, 'packer/debian'), join(workspace.folder, 'packer/my_debian'), {
      recursive: true,
    })
    const copy = 'packer/my_debian/debian.pkr.hcl'
    await workspace.edit(
      copy,
      '["source.proxmox-clone.debian"]',
      '["proxmox-clone.debian", "proxmox-clone.b"]',
    )
    const { code, stderr } = await build('my_debian')
    expect(stderr).toContain('the folder my_debian has a name that a VM cannot have [family-name]')
    expect(stderr).toContain('2 sources are built: proxmox-clone.debian, proxmox-clone.b [one-source]')
    expect(code).toBe(exitCodes.invalid)
  })

  test('a token of the predecessor in *.auto.pkrvars.hcl, and another node', async () => {
    const file = 'packer/debian/mine.auto.pkrvars.hcl'
    await writeFile(join(workspace.folder, file), 'proxmox_node = "pve9"\n')
    expect((await build()).stderr).toContain(
      `${file}:1: \`proxmox_node\` is not that of the credentials (pve9) [one-proxmox]`,
    )
    await writeFile(join(workspace.folder, file), 'proxmox_token = "PVEAPIToken=a@pve!b=c0ffee"\n')
    const { code, stderr } = await build()
    expect(stderr).toContain(`${file}:1: \`proxmox_token\` holds the full token [token-format]`)
    expect(stderr).not.toContain('c0ffee')
    expect(code).toBe(exitCodes.invalid)
  })

  test('a template that keeps every rule', async () => {
    const env = { PROXMOX_URL: '', PROXMOX_USERNAME: '', PROXMOX_TOKEN: '' }
    expect(await zxOutside(workspace, 'build', ['--all', '--rules-only'], { env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('debian: keeps every rule\n'),
    })
  })
})

describe('a tool that is missing', () => {
  /** No tool on PATH, none in the cache. */
  const bare = (): NodeJS.ProcessEnv => ({
    PATH: join(repository, 'node_modules/.bin'),
    XDG_CACHE_HOME: join(workspace.folder, 'cache'),
  })

  test('Packer, for a build', async () => {
    expect(await build('debian', bare())).toEqual(
      told(
        exitCodes.failed,
        'error: packer is not installed, or not usable',
        'hint: run `zx scripts/setup.mts --only packer`',
      ),
    )
  })

  test('SOPS, for encrypted credentials', async () => {
    const env = { ...bare(), PROXMOX_URL: '', PROXMOX_USERNAME: '', PROXMOX_TOKEN: '' }
    const file = 'secrets/TEMPLATE-proxmox-creds.yaml'
    const credentials = { PROXMINT_CREDENTIALS: file }
    expect(await zxOutside(workspace, 'credentials', ['check'], { env: { ...env, ...credentials } })).toEqual(
      told(
        exitCodes.failed,
        'error: sops is not installed, or not usable',
        'hint: run `zx scripts/setup.mts --only sops`',
      ),
    )
  })
})

test('without the config file', async () => {
  await rm(join(workspace.folder, 'config'), { recursive: true })
  expect(await build()).toEqual(
    told(
      exitCodes.invalid,
      `error: cannot read the config ${join(workspace.folder, 'config/proxmint.yaml')}: ENOENT`,
      "hint: run from the project's root, or name the file in PROXMINT_CONFIG",
    ),
  )
})
