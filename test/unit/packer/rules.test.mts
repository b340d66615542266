// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkRules, formatViolation, rules } from '../../../scripts/lib/packer/rules.mts'
import { loadTemplate } from '../../../scripts/lib/packer/template.mts'
import type { Violation } from '../../../scripts/lib/packer/violation.mts'
import { temporaryFolder } from '../temporary.mts'
import { changedMinimal } from './minimal-template.mts'

const invalid = 'test/fixtures/invalid/packer'

const why = {
  'token-format':
    'with an API token Packer wants `username` as user@realm!tokenid and `token` as the bare secret; the full PVEAPIToken=... string is refused with a 401',
  'full-clone':
    'a linked clone shares its base disk: it can stop at boot with "PARTUUID does not exist. Dropping to a shell!", and ties the template to the base VM for ever',
  'valid-exit-codes':
    'cloud-init 23.4 and newer end with 2 (degraded done) for a mere deprecation, and Proxmox writes a deprecated `user:` into its cloud-init drive',
  sensitive: 'Packer prints the value of an ordinary variable in its log',
  'no-literal-secret': 'everybody who ever cloned the repository knows it',
  'known-attribute': 'the plugin refuses unknown attributes and blocks (list: hashicorp/proxmox 1.2.4)',
}

/** By rule: the place of the minimal template that breaks it, and what is told of that. */
const told: Record<
  keyof typeof why,
  { edit: [from: string, to: string]; line: number; what: string; fix: string }
> = {
  'token-format': {
    edit: ['= var.proxmox_token\n', '= "PVEAPIToken=${var.proxmox_username}=${var.proxmox_token}"\n'],
    line: 16,
    what: '`token` holds the full token (PVEAPIToken=...)',
    fix: 'token = var.proxmox_token, with `default = env("PROXMOX_TOKEN")` in variables.pkr.hcl',
  },
  'full-clone': {
    edit: ['  full_clone = true\n', ''],
    line: 14,
    what: 'source minimal does not set `full_clone`',
    fix: 'full_clone = true',
  },
  'valid-exit-codes': {
    edit: ['valid_exit_codes = [0, 2]', 'valid_exit_codes = [0]'],
    line: 31,
    what: '`cloud-init status --wait` without the exit codes 0 and 2',
    fix: 'valid_exit_codes = [0, 2]',
  },
  sensitive: {
    edit: ['env("PROXMOX_TOKEN")\n  sensitive = true\n', 'env("PROXMOX_TOKEN")\n'],
    line: 8,
    what: 'variable proxmox_token is not sensitive',
    fix: 'sensitive = true',
  },
  'no-literal-secret': {
    edit: ['  full_clone = true\n', '  full_clone = true\n  ssh_password = "packer"\n'],
    line: 19,
    what: '`ssh_password` holds a literal value',
    fix: 'ssh_password = var.<variable>, and put a new secret into the SOPS file: this one is known',
  },
  'known-attribute': {
    edit: ['  full_clone = true\n', '  full_clone = true\n  qemu_agnet = true\n'],
    line: 19,
    what: 'proxmox-clone does not know `qemu_agnet`',
    fix: 'write `qemu_agent`',
  },
}

async function violationsOf(os: string, root: string): Promise<Violation[]> {
  const noExemptions = { file: 'family.yaml', exemptions: {}, exemptionLines: {} }
  return checkRules(await loadTemplate(os, root), noExemptions)
}

describe('templates without a fault', () => {
  test.each([
    ['minimal', 'test/fixtures/valid/packer'],
    ['debian', 'packer'],
  ])('%s', async (os, root) => {
    expect(await violationsOf(os, root)).toEqual([])
  })
})

describe('one invalid template per rule', () => {
  test.each(rules.map(rule => rule.name as keyof typeof why))('%s', async rule => {
    const { edit, ...violation } = told[rule]
    const root = await changedMinimal(...edit)
    const file = join(root, 'x/x.pkr.hcl')
    expect(await violationsOf('x', root)).toEqual([{ rule, file, ...violation, why: why[rule] }])
  })

  test('no rule is left out', () => {
    expect(rules.map(rule => rule.name)).toEqual(Object.keys(told))
  })
})

test('the templates as they were before the documented fixes', async () => {
  const found = (await violationsOf('earlier-state', invalid)).map(({ rule, file, line, what }) =>
    [rule, `${file.split('/').at(-1)}:${line}`, what].join(' | '),
  )
  expect(found).toEqual([
    'full-clone | debian.pkr.hcl:1 | source debian does not set `full_clone`',
    'token-format | debian.pkr.hcl:3 | `username` is not var.proxmox_username',
    'token-format | debian.pkr.hcl:4 | `token` holds the full token (PVEAPIToken=...)',
    'valid-exit-codes | debian.pkr.hcl:17 | `cloud-init status --wait` without the exit codes 0 and 2',
  ])
})

test('a violation for a person', async () => {
  const root = await changedMinimal(...told['valid-exit-codes'].edit)
  const [violation] = await violationsOf('x', root)
  expect(formatViolation(violation!)).toBe(
    [
      `${root}/x/x.pkr.hcl:31: \`cloud-init status --wait\` without the exit codes 0 and 2 [valid-exit-codes]`,
      `    why: ${why['valid-exit-codes']}`,
      '    fix: valid_exit_codes = [0, 2]',
    ].join('\n'),
  )
})

/** What the minimal template is told when one place of it is another. */
async function changed(from: string, to: string): Promise<string[]> {
  return (await violationsOf('x', await changedMinimal(from, to))).map(
    ({ rule, line, what }) => `${rule} ${line}: ${what}`,
  )
}

describe('token-format', () => {
  test.each<[string, string, string, string[]]>([
    ['no token', '  token      = var.proxmox_token\n', '', ['14: source minimal sets no `token`']],
    [
      'a password instead of the token',
      'token      = var.proxmox_token',
      'password = var.proxmox_token',
      ['14: source minimal sets no `token`'],
    ],
    [
      'another variable',
      '= var.proxmox_token\n',
      '= var.proxmox_api_token\n',
      ['16: `token` is not var.proxmox_token'],
    ],
    [
      'a variable within text',
      '= var.proxmox_username',
      '= "${var.proxmox_username}!packer"',
      ['15: `username` is not var.proxmox_username'],
    ],
    [
      'a variable that is not declared',
      'variable "proxmox_token"',
      'variable "proxmox_tocken"',
      ['16: variable proxmox_token is not declared'],
    ],
    [
      'a variable that reads something else',
      'env("PROXMOX_TOKEN")',
      'env("PROXMOX_API_TOKEN")',
      ['8: variable proxmox_token does not read PROXMOX_TOKEN'],
    ],
    [
      'a variable without a default',
      '  default   = env("PROXMOX_USERNAME")\n',
      '',
      ['2: variable proxmox_username does not read PROXMOX_USERNAME'],
    ],
    ['a builder that is not of Proxmox', '"proxmox-clone" "minimal"', '"docker" "minimal"', []],
  ])('%s', async (_, from, to, expected) => {
    expect(await changed(from, to)).toEqual(expected.map(line => `token-format ${line}`))
  })

  test('proxmox-iso too', async () => {
    expect(
      await changed(
        'source "proxmox-clone" "minimal" {\n  username   = var.proxmox_username',
        'source "proxmox-iso" "minimal" {',
      ),
    ).toContain('token-format 14: source minimal sets no `username`')
  })
})

describe('full-clone', () => {
  test.each<[string, string, string[]]>([
    ['false', 'full_clone = false', ['18: `full_clone` is not true']],
    ['a variable', 'full_clone = var.full', ['18: `full_clone` is not true']],
    ['commented out', '# full_clone = true', ['14: source minimal does not set `full_clone`']],
    ['with a comment behind it', 'full_clone = true # not linked', []],
    ['with another comment behind it', 'full_clone = true /* not linked */', []],
  ])('%s', async (_, to, expected) => {
    expect(await changed('full_clone = true', to)).toEqual(expected.map(line => `full-clone ${line}`))
  })
})

test('full-clone: a source that clones nothing', async () => {
  expect(await changed('"proxmox-clone" "minimal"', '"proxmox-iso" "minimal"')).toEqual([
    'full-clone 14: source minimal is proxmox-iso, not proxmox-clone',
    'known-attribute 17: proxmox-iso does not know `clone_vm`',
    'known-attribute 18: proxmox-iso does not know `full_clone`',
  ])
})

describe('valid-exit-codes', () => {
  const codes = '    valid_exit_codes = [0, 2]\n'
  const what = '`cloud-init status --wait` without the exit codes 0 and 2'
  const nobody = '14: no provisioner waits for cloud-init'

  test.each<[string, string, string, string[]]>([
    ['none', codes, '', [`30: ${what}`]],
    ['only 2', codes, codes.replace('0, 2', '2'), [`31: ${what}`]],
    ['more than both', codes, codes.replace('0, 2', '0, 2, 100'), []],
    [
      'with sudo',
      `["cloud-init status --wait"]\n${codes}`,
      '["sudo cloud-init  status --wait"]\n',
      [`30: ${what}`],
    ],
    [
      'further options',
      `"cloud-init status --wait"]\n${codes}`,
      '"cloud-init status --long --wait"]\n',
      [`30: ${what}`],
    ],
    [
      'the short option',
      `"cloud-init status --wait"]\n${codes}`,
      '"cloud-init status -w"]\n',
      [`30: ${what}`],
    ],
    [
      'one of several commands',
      `["cloud-init status --wait"]\n${codes}`,
      '[\n      "true",\n      "cloud-init status --wait",\n    ]\n',
      [`30: ${what}`],
    ],
    ['without waiting', `["cloud-init status --wait"]\n${codes}`, '["cloud-init status"]\n', [nobody]],
    [
      'two commands that only look like it',
      `["cloud-init status --wait"]\n${codes}`,
      '["cloud-init status", "snap watch --wait"]\n',
      [nobody],
    ],
  ])('%s', async (_, from, to, expected) => {
    expect(await changed(from, to)).toEqual(expected.map(line => `valid-exit-codes ${line}`))
  })

  test('the second provisioner of its kind', async () => {
    const second = '\n  provisioner "shell" {\n    inline = ["cloud-init status --wait"]\n  }\n'
    expect(await changed(`${codes}  }\n`, `${codes}  }\n${second}`)).toEqual([`valid-exit-codes 35: ${what}`])
  })
})

describe('sensitive and no-literal-secret', () => {
  const added = (text: string) => changed('source "proxmox-clone"', `${text}\n\nsource "proxmox-clone"`)

  test.each<[string, string, string[]]>([
    [
      'sensitive = false',
      'variable "proxmox_password" {\n  sensitive = false\n}',
      ['sensitive 14: variable proxmox_password is not sensitive'],
    ],
    ['any ..._secret', 'variable "api_secret" {}', ['sensitive 14: variable api_secret is not sensitive']],
    [
      'any ..._password',
      'variable "ssh_password" {}',
      ['sensitive 14: variable ssh_password is not sensitive'],
    ],
    ['other variables', 'variable "secret_santa" {\n  default = "x"\n}', []],
    [
      'a literal default',
      'variable "ssh_password" {\n  sensitive = true\n  default   = "packer"\n}',
      ['no-literal-secret 14: variable ssh_password has a literal default'],
    ],
    ['an empty default', 'variable "ssh_password" {\n  sensitive = true\n  default   = ""\n}', []],
    [
      'a default from the environment',
      'variable "ssh_password" {\n  sensitive = true\n  default   = env("SSH_PASSWORD")\n}',
      [],
    ],
  ])('variables: %s', async (_, text, expected) => {
    expect(await added(text)).toEqual(expected)
  })

  test.each<[string, string, string[]]>([
    ['a literal password', 'ssh_password = "packer"', ['`ssh_password` holds a literal value']],
    ['a literal password of Proxmox', 'password = "packer"', ['`password` holds a literal value']],
    [
      'a literal behind a comment',
      'ssh_password = /* x */ "packer"',
      ['`ssh_password` holds a literal value'],
    ],
    ['a variable', 'ssh_password = var.x', []],
    ['a variable within text', 'ssh_password = "${var.x}"', []],
    ['nothing', 'ssh_password = ""', []],
  ])('attributes: %s', async (_, line, expected) => {
    const found = await changed('clone_vm   = "base"', `clone_vm = "base"\n  ${line}`)
    expect(found).toEqual(expected.map(what => `no-literal-secret 18: ${what}`))
  })

  test('a literal token breaks both rules it breaks', async () => {
    expect(await changed('= var.proxmox_token\n', '= "c0ffee00-1111-4222-8333-444455556666"\n')).toEqual([
      'token-format 16: `token` is not var.proxmox_token',
      'no-literal-secret 16: `token` holds a literal value',
    ])
  })
})

describe('known-attribute', () => {
  const inSource = (line: string) => changed('clone_vm   = "base"', `clone_vm   = "base"\n  ${line}`)

  test.each<[string, string, string[]]>([
    ['an attribute of the plugin', 'cores = 2', []],
    ['a misspelt one', 'task_timout = "10m"', ['18: proxmox-clone does not know `task_timout`']],
    ['one of the other builder', 'boot_iso {}', ['18: proxmox-clone does not know `boot_iso`']],
    ['a misspelt block', 'network_adapter {}', ['18: proxmox-clone does not know `network_adapter`']],
    ['in a nested block', 'vga {\n    typ = "std"\n  }', ['19: proxmox-clone.vga does not know `typ`']],
    ['a text for a number', 'cores = "two"', ['18: `cores` is a string']],
    ['a text that is a number', 'cores = "2"', []],
    ['a number for a text', 'os = 26', []],
    ['a text for a list', 'boot_command = "<enter>"', ['18: `boot_command` is a string']],
    ['a list for a text', 'os = ["l26"]', ['18: `os` is a list']],
    ['a number for a bool', 'qemu_agent = 1', ['18: `qemu_agent` is a number']],
    ['a text that is a bool', 'qemu_agent = "true"', []],
    ['an expression', 'cores = var.cores', []],
    ['a text with a variable', 'cores = "${var.cores}"', []],
    ['in a nested block, the wrong type', 'vga {\n    memory = "much"\n  }', ['19: `memory` is a string']],
    [
      'an equals sign before a block',
      'vga = {\n    type = "std"\n  }',
      ['18: `vga` is written as an attribute'],
    ],
    ['a list of blocks', 'network_adapters = []', ['18: `network_adapters` is written as an attribute']],
    ['a dynamic block', 'dynamic "disks" {\n    for_each = [1]\n    content {}\n  }', []],
    [
      'a misspelt dynamic block',
      'dynamic "disk" {\n    for_each = [1]\n    content {}\n  }',
      ['18: proxmox-clone does not know `disk`'],
    ],
  ])('%s', async (_, line, expected) => {
    expect(await inSource(line)).toEqual(expected.map(what => `known-attribute ${what}`))
  })

  test.each([
    ['cores = "two"', 'the plugin takes a number there', 'give `cores` a number'],
    ['qemu_agent = 1', 'the plugin takes a bool there', 'give `qemu_agent` a bool'],
    [
      'network_adapters = []',
      'the plugin takes a block there',
      'network_adapters { ... }, without the equals sign',
    ],
    ['zzzzzzzzzz = 1', why['known-attribute'], 'remove it'],
  ])('why and fix: %s', async (line, expectedWhy, fix) => {
    const root = await temporaryFolder()
    await mkdir(join(root, 'x'))
    await writeFile(join(root, 'x', 'x.pkr.hcl'), `source "proxmox-clone" "x" {\n  ${line}\n}\n`)
    const found = (await violationsOf('x', root)).filter(({ rule }) => rule === 'known-attribute')
    expect(found).toMatchObject([{ line: 2, why: expectedWhy, fix }])
  })
})

test('violations are told by file and line', async () => {
  const root = await temporaryFolder()
  await mkdir(join(root, 'x'))
  await writeFile(join(root, 'x', 'b.pkr.hcl'), 'source "proxmox-clone" "x" {\n  ssh_password = "a"\n}\n')
  await writeFile(join(root, 'x', 'a.pkr.hcl'), '\nvariable "x_secret" {}\n')
  const places = (await violationsOf('x', root)).map(({ file, line }) => `${file.split('/').at(-1)}:${line}`)
  expect(places).toEqual(['a.pkr.hcl:2', ...Array(4).fill('b.pkr.hcl:1'), 'b.pkr.hcl:2'])
})

test('every folder of invalid templates is one of a test', async () => {
  expect((await readdir(invalid)).sort()).toEqual([
    'broken-structure',
    'earlier-state',
    'no-template',
    'syntax-error',
  ])
})
