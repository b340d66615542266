// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkRules, formatViolation, type RuleContext, rules } from '../../../scripts/lib/packer/rules.mts'
import { loadTemplate } from '../../../scripts/lib/packer/template.mts'
import type { Violation } from '../../../scripts/lib/packer/violation.mts'
import { redact } from '../../../scripts/lib/run/redact.mts'
import { temporaryFolder } from '../temporary.mts'
import { changedMinimal } from './minimal-template.mts'

const invalid = 'test/fixtures/invalid/packer'

const why = {
  'token-format':
    'with an API token Packer wants `username` as user@realm!tokenid and `token` as the bare secret; the full PVEAPIToken=... string is refused with a 401',
  'one-proxmox': 'the checks ask the Proxmox of the credentials, and Packer would build with this value',
  'family-name':
    'the VM templates are named after the folder; Proxmox takes letters, digits, hyphens and dots, and no hyphen at an end',
  'one-source': 'a build reserves one VMID, and each source makes a VM of its own',
  'full-clone':
    'a linked clone shares its base disk: it can stop at boot with "PARTUUID does not exist. Dropping to a shell!", and ties the template to the base VM for ever',
  'base-by-name':
    'permissions, base VM and image are looked for by name before Packer runs; a VMID is another VM elsewhere',
  'valid-exit-codes':
    'cloud-init 23.4 and newer end with 2 (degraded done) for a mere deprecation, and Proxmox writes a deprecated `user:` into its cloud-init drive',
  sensitive: 'Packer prints the value of an ordinary variable in its log',
  'no-literal-secret': 'everybody who ever cloned the repository knows it',
  'known-attribute': 'the plugin refuses unknown attributes and blocks (list: hashicorp/proxmox 1.2.4)',
}

/** By rule: the place of the minimal template that breaks it, and what is told of that. */
const told: Record<
  keyof typeof why,
  { edit: [from: string, to: string, os?: string]; line: number; what: string; fix: string }
> = {
  'token-format': {
    edit: ['= var.proxmox_token\n', '= "PVEAPIToken=${var.proxmox_username}=${var.proxmox_token}"\n'],
    line: 16,
    what: '`token` holds the full token (PVEAPIToken=...)',
    fix: 'token = var.proxmox_token, with `default = env("PROXMOX_TOKEN")` in variables.pkr.hcl',
  },
  'one-proxmox': {
    edit: ['  full_clone = true\n', '  full_clone = true\n  node = "pve9"\n'],
    line: 19,
    what: '`node` is not that of the credentials (pve9)',
    fix: 'node = var.proxmox_node',
  },
  'family-name': {
    edit: ['  full_clone = true\n', '  full_clone = true\n', 'ubuntu_2204'],
    line: 1,
    what: 'the folder ubuntu_2204 has a name that a VM cannot have',
    fix: 'name the folder ubuntu-2204',
  },
  'one-source': {
    edit: ['["source.proxmox-clone.minimal"]', '["source.proxmox-clone.minimal", "source.proxmox-clone.b"]'],
    line: 27,
    what: '2 sources are built: proxmox-clone.minimal, proxmox-clone.b',
    fix: 'a folder of packer/ for each source; keep one here',
  },
  'full-clone': {
    edit: ['full_clone = true', 'full_clone = false'],
    line: 18,
    what: '`full_clone` is not true',
    fix: 'full_clone = true',
  },
  'base-by-name': {
    edit: ['clone_vm   = "base"', 'clone_vm_id = 9000'],
    line: 17,
    what: 'source minimal names its base VM by `clone_vm_id`',
    fix: 'clone_vm = "NAME OF THE BASE VM", as text or by variables and locals with known values',
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

const login = {
  url: 'https://pve.example.net:8006/api2/json',
  node: 'pve1',
  username: 'packer@pve!build',
  token: 'c0ffee00-1111-4222-8333-444455556666',
}

async function violationsOf(os: string, root: string, context: RuleContext = {}): Promise<Violation[]> {
  const noExemptions = { file: 'family.yaml', exemptions: {}, exemptionLines: {} }
  return checkRules(await loadTemplate(os, root), noExemptions, { env: {}, ...context })
}

describe('templates without a fault', () => {
  test.each([
    ['minimal', 'test/fixtures/valid/packer'],
    ['debian', 'packer'],
  ])('%s', async (os, root) => {
    expect(await violationsOf(os, root, { logins: [login] })).toEqual([])
  })
})

describe('one invalid template per rule', () => {
  test.each(rules.map(rule => rule.name as keyof typeof why))('%s', async rule => {
    const { edit, ...violation } = told[rule]
    const root = await changedMinimal(...edit)
    const os = edit[2] ?? 'x'
    const file = join(root, os, 'x.pkr.hcl')
    expect(await violationsOf(os, root, { logins: [login] })).toEqual([
      { rule, file, ...violation, why: why[rule] },
    ])
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
    [
      'a variable that is not known',
      'full_clone = var.full',
      ['18: `full_clone` is not known before the build'],
    ],
    ['commented out: the default of the plugin', '# full_clone = false', []],
    ['the default of the plugin', 'full_clone = null', []],
    ['a text', 'full_clone = "false"', ['18: `full_clone` is not true']],
    ['a condition', 'full_clone = var.proxmox_token == "" ? true : true', []],
    ['with a comment behind it', 'full_clone = true # not linked', []],
    ['with another comment behind it', 'full_clone = true /* not linked */', []],
  ])('%s', async (_, to, expected) => {
    expect(await changed('full_clone = true', to)).toEqual(expected.map(line => `full-clone ${line}`))
  })
})

test.each<[string, string[]]>([
  ['true', []],
  ['false', ['full-clone x.pkr.hcl:18: `full_clone` is not true']],
])('full-clone: a variable whose default is %s', async (value, expected) => {
  const variable = `variable "full" {\n  type    = bool\n  default = ${value}\n}\n`
  const edit: [string, string] = ['full_clone = true', 'full_clone = var.full']
  expect(await withFiles(edit, { 'full.pkr.hcl': variable })).toEqual(expected)
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

  const wait = `["cloud-init status --wait"]\n${codes}`

  test.each<[string, string, string[]]>([
    ['texts', wait.replace('0, 2', '"0", "2"'), []],
    ['a variable', wait.replace('[0, 2]', 'var.codes'), []],
    ['a variable with one of them', wait.replace('[0, 2]', 'var.one'), [`31: ${what}`]],
    ['a variable that is not known', wait.replace('[0, 2]', 'var.unknown'), []],
    ['the command itself accepts 2', '["cloud-init status --wait || [ $? -eq 2 ]"]\n', []],
    ['the command itself accepts all', '["sudo cloud-init status --wait || true"]\n', []],
    ['the command itself ends', '["cloud-init status --wait || exit 1"]\n', [`30: ${what}`]],
    ['a condition', '["if cloud-init status --wait; then true; fi"]\n', []],
    ['a list of a local', 'local.commands\n', [`30: ${what}`]],
    ['with a part that is not known', '["cloud-init status --wait ${var.unknown}"]\n', [`30: ${what}`]],
    [
      'a loop for the file at the end',
      '["while [ ! -f /var/lib/cloud/instance/boot-finished ]; do echo waiting; sleep 1; done"]\n',
      [],
    ],
    ['a comment', '["# cloud-init status --wait", "true"]\n', [nobody]],
    ['a comment behind a command', '["true # then cloud-init status --wait"]\n', [nobody]],
    ['an echo', '["echo cloud-init status --wait"]\n', [nobody]],
    ['an echo of a text', '["echo \'first; cloud-init status --wait\'"]\n', [nobody]],
    ['behind an echo', '["echo wait; cloud-init status --wait"]\n', [`30: ${what}`]],
    ['a file that is only named', '["ls /var/lib/cloud/instance/boot-finished"]\n', [nobody]],
    ['for another source', `${wait}    only = ["proxmox-iso.other"]\n`, [nobody]],
    ['for this source', `${wait}    only = ["proxmox-clone.minimal"]\n`, []],
    ['for all but this source', `${wait}    except = ["proxmox-clone.minimal"]\n`, [nobody]],
  ])('%s', async (_, to, expected) => {
    const found = await withFiles([wait, to], {
      'more.pkr.hcl':
        'variable "codes" {\n  default = [0, 2]\n}\nvariable "one" {\n  default = [0]\n}\nvariable "unknown" {}\nlocals {\n  commands = ["cloud-init status --wait"]\n}\n',
    })
    expect(found).toEqual(expected.map(line => `valid-exit-codes x.pkr.hcl:${line}`))
  })

  test.each<[string, string, string, string[]]>([
    ['that waits', 'cloud-init status --wait\n', '', [`30: ${what}`]],
    ['that waits, with the codes', 'cloud-init status --wait\n', 'valid_exit_codes = [0, 2]', []],
    ['that goes on after a failure', 'cloud-init status --wait\ntrue\n', '', []],
    ['that ends at a failure', 'set -eu\ncloud-init status --wait\ntrue\n', '', [`30: ${what}`]],
    [
      'that is called to end at a failure',
      'cloud-init status --wait\ntrue\n',
      'execute_command = "sudo sh -e {{ .Path }}"',
      [`30: ${what}`],
    ],
    ['that accepts 2', '#!/bin/sh -e\ncloud-init status --wait || [ $? -eq 2 ]\n', '', []],
    ['that loops', 'until [ -e /var/lib/cloud/instance/boot-finished ]; do sleep 1; done\n', '', []],
    ['that only speaks of it', '# cloud-init status --wait\necho "cloud-init status --wait"\n', '', [nobody]],
  ])('a script %s', async (_, text, more, expected) => {
    const to = `script = "\${path.root}/wait.sh"\n    ${more}\n`
    const found = await withFiles([`inline           = ${wait}`, to], { 'wait.sh': text })
    expect(found).toEqual(expected.map(line => `valid-exit-codes x.pkr.hcl:${line}`))
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
    ['a boolean', 'variable "lock_root_password" {\n  type = bool\n}', []],
    ['a boolean by its default', 'variable "lock_root_password" {\n  default = true\n}', []],
    ['password', 'variable "password" {}', ['sensitive 14: variable password is not sensitive']],
    ['any ..._token', 'variable "k3s_token" {}', ['sensitive 14: variable k3s_token is not sensitive']],
    [
      'a literal behind coalesce',
      'variable "api_token" {\n  sensitive = true\n  default   = coalesce(env("T"), "hunter2")\n}',
      ['no-literal-secret 14: variable api_token has a literal default'],
    ],
    [
      'a local',
      'locals {\n  db_password = "hunter2"\n}',
      ['no-literal-secret 15: local db_password holds a literal value'],
    ],
    ['a local of a variable', 'locals {\n  db_password = var.db\n}', []],
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

  test.each<[string, string, string[]]>([
    ['a local', 'local.pw', ['more.pkr.hcl:2: pw holds a literal value for `ssh_password`']],
    ['a variable', 'var.pw', ['more.pkr.hcl:4: pw holds a literal value for `ssh_password`']],
    ['a variable of the environment', 'var.good', []],
  ])('a literal behind another name: %s', async (_, value, expected) => {
    const found = await withFiles(['clone_vm   = "base"', `clone_vm = "base"\n  ssh_password = ${value}`], {
      'more.pkr.hcl':
        'locals {\n  pw = "hunter2"\n}\nvariable "pw" {\n  default = "hunter2"\n}\nvariable "good" {\n  default = env("PW")\n}\n',
    })
    expect(found).toEqual(expected.map(what => `no-literal-secret ${what}`))
  })

  test.each<[string, string, string[]]>([
    [
      'a literal',
      'environment_vars = ["DB_PASSWORD=hunter2"]',
      ['`environment_vars` holds a literal value for DB_PASSWORD'],
    ],
    ['a literal in a map', 'env = { API_TOKEN = "hunter2" }', ['`env` holds a literal value for API_TOKEN']],
    ['a variable', 'environment_vars = ["DB_PASSWORD=${var.x}"]', []],
    ['another name', 'environment_vars = ["DB_USER=me"]', []],
    ['nothing', 'environment_vars = ["DB_PASSWORD="]', []],
  ])('the environment of a provisioner: %s', async (_, line, expected) => {
    const found = await changed(
      '    valid_exit_codes = [0, 2]\n',
      `    valid_exit_codes = [0, 2]\n    ${line}\n`,
    )
    expect(found).toEqual(expected.map(what => `no-literal-secret 32: ${what}`))
  })

  test('a literal token breaks both rules it breaks', async () => {
    expect(await changed('= var.proxmox_token\n', '= "c0ffee00-1111-4222-8333-444455556666"\n')).toEqual([
      'token-format 16: `token` is not var.proxmox_token',
      'no-literal-secret 16: `token` holds a literal value',
    ])
  })
})

/** Violations of the minimal template with one place changed and further files beside it. */
async function withFiles(
  [from, to]: [string, string],
  files: Record<string, string>,
  context: RuleContext = {},
): Promise<string[]> {
  const root = await changedMinimal(from, to)
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, 'x', name), text)
  return (await violationsOf('x', root, context)).map(
    ({ rule, file, line, what }) => `${rule} ${file.split('/').at(-1)}:${line}: ${what}`,
  )
}

const NOTHING: [string, string] = ['', '']

describe('what overrides the credentials', () => {
  const wholeToken = 'PVEAPIToken=packer@pve!build=c0ffee00-1111-4222-8333-444455556666'
  const inTheClear = 'proxmox_token stands here in the clear, and overrides the credentials'

  test.each<[string, string, string]>([
    ['HCL', 'x.auto.pkrvars.hcl', `# mine\nproxmox_token = "${wholeToken}"\n`],
    ['JSON', 'x.auto.pkrvars.json', `{\n  "proxmox_token": "${wholeToken}"\n}\n`],
  ])('a full token in a file: %s', async (_, name, text) => {
    const found = await withFiles(NOTHING, { [name]: text })
    expect(found.toSorted()).toEqual([
      `no-literal-secret ${name}:2: ${inTheClear}`,
      `token-format ${name}:2: \`proxmox_token\` holds the full token`,
    ])
    expect(found.join()).not.toContain('c0ffee00')
    expect(redact(wholeToken)).toBe('***')
  })

  test.each(['packer@pve!build=uuid', 'packer@pve!build', wholeToken])(
    'a full token in the environment: %s',
    async value => {
      expect(await withFiles(NOTHING, {}, { env: { PKR_VAR_proxmox_token: value } })).toEqual([
        'token-format x.pkr.hcl:8: PKR_VAR_proxmox_token of the environment holds the full token',
      ])
    },
  )

  test('a full token as the default of the variable', async () => {
    const edit: [string, string] = ['default   = env("PROXMOX_TOKEN")', `default   = "${wholeToken}"`]
    expect(await withFiles(edit, {})).toEqual([
      'token-format x.pkr.hcl:8: variable proxmox_token does not read PROXMOX_TOKEN',
      'no-literal-secret x.pkr.hcl:8: variable proxmox_token has a literal default',
    ])
  })

  const place =
    'variable "proxmox_url" {\n  default = env("PROXMOX_URL")\n}\nvariable "proxmox_node" {\n  default = env("PROXMOX_NODE")\n}\n'
  const withPlace: [string, string] = [
    '  full_clone = true\n',
    '  full_clone = true\n  proxmox_url = var.proxmox_url\n  node = var.proxmox_node\n',
  ]

  test.each<[string, Record<string, string>, NodeJS.ProcessEnv, string[]]>([
    ['nothing', {}, {}, []],
    [
      'the same in other words',
      {
        'x.auto.pkrvars.hcl':
          'proxmox_url = "https://pve.example.net:8006/api2/json/"\nproxmox_node = "pve1"\n',
      },
      {},
      [],
    ],
    [
      'another Proxmox and node in a file',
      { 'x.auto.pkrvars.hcl': 'proxmox_url = "https://me:pw@other:8006/api2/json"\nproxmox_node = "pve2"\n' },
      {},
      [
        'one-proxmox x.auto.pkrvars.hcl:1: `proxmox_url` is not that of the credentials (other:8006)',
        'one-proxmox x.auto.pkrvars.hcl:2: `proxmox_node` is not that of the credentials (pve2)',
      ],
    ],
    [
      'another node in the environment',
      {},
      { PKR_VAR_proxmox_node: 'pve2' },
      [
        'one-proxmox place.pkr.hcl:4: PKR_VAR_proxmox_node of the environment is not that of the credentials (pve2)',
      ],
    ],
    [
      'another login in the environment',
      {},
      {
        PKR_VAR_proxmox_token: 'c0ffee00-1111-4222-8333-000000000000',
        PKR_VAR_proxmox_username: 'root@pam!x',
      },
      [
        'one-proxmox x.pkr.hcl:2: PKR_VAR_proxmox_username of the environment is not that of the credentials',
        'one-proxmox x.pkr.hcl:8: PKR_VAR_proxmox_token of the environment is not that of the credentials',
      ],
    ],
  ])('%s', async (_, files, env, expected) => {
    const found = await withFiles(withPlace, { 'place.pkr.hcl': place, ...files }, { env, logins: [login] })
    expect(found).toEqual(expected)
    expect(found.join()).not.toContain('pw')
  })

  test('a node of its own in the template, for the second of two places', async () => {
    const edit: [string, string] = ['  full_clone = true\n', '  full_clone = true\n  node = "pve1"\n']
    const logins = [login, { ...login, node: 'pve2' }]
    expect(await withFiles(edit, {}, { logins })).toEqual([
      'one-proxmox x.pkr.hcl:19: `node` is not that of the credentials (pve1)',
    ])
  })
})

describe('one-source', () => {
  const second =
    'source "proxmox-clone" "b" {\n  username = var.proxmox_username\n  token = var.proxmox_token\n  clone_vm = "b"\n}\n'

  test.each<[string, [string, string], string[]]>([
    ['one that no build uses', NOTHING, []],
    [
      'both by the build',
      [
        '["source.proxmox-clone.minimal"]',
        '[\n    "proxmox-clone.minimal",\n    "source.proxmox-clone.b",\n  ]',
      ],
      ['one-source x.pkr.hcl:27: 2 sources are built: proxmox-clone.minimal, proxmox-clone.b'],
    ],
    [
      'one in a block of the build',
      [
        '  provisioner "shell"',
        '  source "source.proxmox-clone.b" {\n    name = "b"\n  }\n\n  provisioner "shell"',
      ],
      ['one-source x.pkr.hcl:29: 2 sources are built: proxmox-clone.minimal, proxmox-clone.b'],
    ],
  ])('two sources, %s', async (_, edit, expected) => {
    expect(await withFiles(edit, { 'b.pkr.hcl': second })).toEqual(expected)
  })
})

test.each<[string, boolean]>([
  ['ubuntu-2204', true],
  ['Ubuntu-22.04', true],
  ['u', true],
  ['ubuntu_2204', false],
  ['-ubuntu', false],
  ['ubuntu-', false],
  ['ubuntu..22', false],
  ['übuntu', false],
  ['ubuntu 22', false],
])('family-name: %s', async (os, isKept) => {
  const found = await violationsOf(os, await changedMinimal('', '', os))
  expect(found.map(({ rule }) => rule)).toEqual(isKept ? [] : ['family-name'])
})

describe('base-by-name', () => {
  test.each<[string, string, string[]]>([
    ['a local', 'clone_vm = local.base', []],
    [
      'a variable without a default',
      'clone_vm = var.base',
      ['17: `clone_vm = var.base` is not known before the build'],
    ],
    ['nothing', '', ['14: source minimal sets no `clone_vm`']],
  ])('%s', async (_, to, expected) => {
    const found = await withFiles(['clone_vm   = "base"', to], {
      'more.pkr.hcl':
        'locals {\n  base = "base-${var.release}"\n}\nvariable "release" {\n  default = "12"\n}\nvariable "base" {}\n',
    })
    expect(found).toEqual(expected.map(line => `base-by-name x.pkr.hcl:${line}`))
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
