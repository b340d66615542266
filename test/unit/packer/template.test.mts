// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { resolveValue } from '../../../scripts/lib/packer/resolve-value.mts'
import { listFamilies, loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const invalid = 'test/fixtures/invalid/packer'

/** A family named `x` with these files; gives the folder it is in. */
async function family(files: Record<string, string>): Promise<string> {
  const root = await temporaryFolder()
  await mkdir(join(root, 'x'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, 'x', name), text)
  return root
}

const variables = `
variable "release" {
  default = "12"
}
variable "cores" {
  default = 2
}
variable "pool" {
  default = env("PROXMOX_STORAGE_POOL")
}
variable "bridge" {}
variable "base" {
  default = "\${var.release}"
}
`

describe('what is read', () => {
  test('all files of a folder together, each thing with its file and line', async () => {
    const root = await family({
      'b.pkr.hcl': 'build {\n  provisioner "shell" {\n    inline = ["true"]\n  }\n}\n',
      'a.pkr.hcl': 'source "proxmox-clone" "one" {\n  cores = 2\n}\nsource "proxmox-iso" "two" {}\n',
      'variables.pkr.hcl':
        '\nvariable "t" {\n  sensitive = true\n  default   = env("T")\n}\nvariable "u" {}\n',
      'README.md': 'not HCL {',
    })
    const template = await loadTemplate('x', root)
    const folder = join(root, 'x')
    expect(template.files.map(file => file.path)).toEqual(
      ['a.pkr.hcl', 'b.pkr.hcl', 'variables.pkr.hcl'].map(name => join(folder, name)),
    )
    expect(template.variables).toEqual([
      {
        name: 't',
        file: join(folder, 'variables.pkr.hcl'),
        line: 2,
        sensitive: true,
        default: '${env("T")}',
      },
      { name: 'u', file: join(folder, 'variables.pkr.hcl'), line: 6, sensitive: false, default: undefined },
    ])
    expect(
      template.sources.map(({ type, name, block, values }) => ({ type, name, line: block.line, values })),
    ).toEqual([
      { type: 'proxmox-clone', name: 'one', line: 1, values: { cores: 2 } },
      { type: 'proxmox-iso', name: 'two', line: 4, values: {} },
    ])
    expect(template.provisioners).toMatchObject([
      { file: join(folder, 'b.pkr.hcl'), block: { line: 2 }, values: { inline: ['true'] } },
    ])
  })

  test('provisioners of several kinds and builds keep their own values', async () => {
    const shell = (n: number) => `  provisioner "shell" {\n    inline = ["${n}"]\n  }\n`
    const file = '  provisioner "file" {\n    source = "a"\n  }\n'
    const root = await family({
      'x.pkr.hcl': `build {\n${shell(1)}${file}${shell(2)}}\nbuild {\n${shell(3)}}\n`,
    })
    const { provisioners } = await loadTemplate('x', root)
    expect(provisioners.map(({ block, values }) => [block.line, values])).toEqual([
      [2, { inline: ['1'] }],
      [5, { source: 'a' }],
      [8, { inline: ['2'] }],
      [13, { inline: ['3'] }],
    ])
  })

  test('the families are the folders', async () => {
    const root = await family({ 'x.pkr.hcl': '' })
    await writeFile(join(root, 'README.md'), '')
    await cp(join(root, 'x'), join(root, 'y'), { recursive: true })
    expect((await listFamilies(root)).sort()).toEqual(['x', 'y'])
  })

  test('the folder of shared scripts is not a family', async () => {
    const root = await family({ 'x.pkr.hcl': '' })
    await mkdir(join(root, 'common'))
    await writeFile(join(root, 'common', 'clean-up.sh'), '')
    expect(await listFamilies(root)).toEqual(['x'])
  })

  test('a family by the name of that folder', async () => {
    const root = await family({ 'x.pkr.hcl': '' })
    await cp(join(root, 'x'), join(root, 'common'), { recursive: true })
    expect(await failureOf(() => listFamilies(root))).toEqual({
      message: `${root}/common holds a template, but it is the folder for shared scripts`,
      hint: 'move the files of your family to another folder of packer/; the family then has that name',
      exitCode: 3,
      facts: {},
    })
  })
})

describe('what cannot be read', () => {
  test('a syntax error: file, line and column', async () => {
    const file = `${invalid}/syntax-error/x.pkr.hcl`
    expect(await failureOf(() => loadTemplate('syntax-error', invalid))).toEqual({
      message: `syntax error: ${file}:3,11: Invalid expression; Expected the start of an expression, but found an invalid expression token.`,
      hint: 'correct the line named above; `packer fmt` shows the structure',
      exitCode: 3,
      facts: {},
    })
  })

  test('a broken structure', async () => {
    expect(await failureOf(() => loadTemplate('broken-structure', invalid))).toEqual({
      message: `${invalid}/broken-structure/x.pkr.hcl:2: the string of line 2 is not closed`,
      hint: undefined,
      exitCode: 3,
      facts: {},
    })
  })

  test('a source that two files define', async () => {
    const source = 'source "proxmox-clone" "x" {\n}\n'
    const root = await family({ 'a.pkr.hcl': source, 'b.pkr.hcl': `# a copy\n${source}` })
    expect(await failureOf(() => loadTemplate('x', root))).toEqual({
      message: `${root}/x defines the source proxmox-clone.x 2 times`,
      facts: { places: `${root}/x/a.pkr.hcl:1, ${root}/x/b.pkr.hcl:2` },
      hint: 'keep one: Packer reads every *.pkr.hcl of the folder as one template; a copy of a file needs another ending',
      exitCode: 3,
    })
  })

  test('sources of one name and two kinds are two', async () => {
    const both = 'source "proxmox-clone" "x" {\n}\nsource "proxmox-iso" "x" {\n}\n'
    const { sources } = await loadTemplate('x', await family({ 'a.pkr.hcl': both }))
    expect(sources.map(({ type, name }) => `${type}.${name}`)).toEqual(['proxmox-clone.x', 'proxmox-iso.x'])
  })

  test('a folder without a template', async () => {
    expect(await failureOf(() => loadTemplate('no-template', invalid))).toEqual({
      message: `${invalid}/no-template holds no *.pkr.hcl file`,
      hint: undefined,
      exitCode: 3,
      facts: {},
    })
  })
})

describe('resolveValue', () => {
  const env = { PROXMOX_STORAGE_POOL: 'tank' }

  test.each<[string, unknown, Record<string, string>, unknown]>([
    ['a text', 'vmbr0', {}, 'vmbr0'],
    ['a number', 4, {}, 4],
    ['a boolean', false, {}, false],
    ['nothing', undefined, {}, undefined],
    ['null', null, {}, undefined],
    ['a list', ['a'], {}, undefined],
    ['the environment', '${env("PROXMOX_STORAGE_POOL")}', {}, 'tank'],
    ['the environment without the variable', '${env("NOT_SET")}', {}, ''],
    ["a variable's default", '${var.release}', {}, '12'],
    ['a default that is a number', '${var.cores}', {}, 2],
    ['a default from the environment', '${var.pool}', {}, 'tank'],
    ['a default that is another variable, which Packer refuses', '${var.base}', {}, undefined],
    ['a variable given', '${var.release}', { release: '13' }, '13'],
    [
      'a variable given as text that looks like one',
      '${var.release}',
      { release: '${var.release}' },
      '${var.release}',
    ],
    ['a variable given as nothing', '${var.release}', { release: '' }, ''],
    ['a variable without a default', '${var.bridge}', {}, undefined],
    ['a variable that is not declared', '${var.nobody}', {}, undefined],
    ['text around a variable', 'base-${var.release}-x', {}, 'base-12-x'],
    ['two variables', '${var.release}/${var.cores}', { release: '13' }, '13/2'],
    ['text around an unknown variable', 'base-${var.bridge}', {}, undefined],
    ['a function', '${upper(var.release)}', {}, undefined],
    ['a condition', '${var.release == "" ? null : "x"}', {}, undefined],
  ])('%s', async (_, value, given, expected) => {
    const template = await loadTemplate('x', await family({ 'x.pkr.hcl': variables }))
    expect(resolveValue(template, value as never, given, env)).toBe(expected)
  })

  test("Packer's order: -var, then *.auto.pkrvars.hcl, the last file first, then PKR_VAR_, then the default", async () => {
    const template = await loadTemplate(
      'x',
      await family({
        'x.pkr.hcl': variables,
        'a.auto.pkrvars.hcl': 'release = "a"\ncores = 3\n',
        'b.auto.pkrvars.hcl': 'release = "b"\n',
      }),
    )
    const shell = { ...env, PKR_VAR_release: 'shell', PKR_VAR_bridge: 'vmbr7' }
    const resolve = (name: string, given = {}) => resolveValue(template, `\${var.${name}}`, given, shell)
    expect(resolve('release', { release: 'given' })).toBe('given')
    expect(resolve('release')).toBe('b')
    expect(resolve('cores')).toBe(3)
    expect(resolve('bridge')).toBe('vmbr7')
    expect(resolve('pool')).toBe('tank')
  })
})
