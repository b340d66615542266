// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildTarget } from '../../../scripts/lib/packer/build-target.mts'
import { attributeOf } from '../../../scripts/lib/packer/hcl-source.mts'
import { expressionValue, scopeOf } from '../../../scripts/lib/packer/scope.mts'
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
variable "full" {
  type    = bool
  default = "true"
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
        type: undefined,
        defaultText: 'env("T")',
      },
      {
        name: 'u',
        file: join(folder, 'variables.pkr.hcl'),
        line: 6,
        sensitive: false,
        type: undefined,
        defaultText: undefined,
      },
    ])
    expect(template.sources.map(({ type, name, block }) => ({ type, name, line: block.line }))).toEqual([
      { type: 'proxmox-clone', name: 'one', line: 1 },
      { type: 'proxmox-iso', name: 'two', line: 4 },
    ])
    expect(template.provisioners).toMatchObject([
      { type: 'shell', file: join(folder, 'b.pkr.hcl'), block: { line: 2 } },
    ])
  })

  test('provisioners of several kinds and builds keep their own values', async () => {
    const shell = (n: number) => `  provisioner "shell" {\n    inline = ["${n}"]\n  }\n`
    const file = '  provisioner "file" {\n    source = "a"\n  }\n'
    const root = await family({
      'x.pkr.hcl': `build {\n${shell(1)}${file}${shell(2)}}\nbuild {\n${shell(3)}}\n`,
    })
    const { provisioners } = await loadTemplate('x', root)
    const inside = provisioners.map(({ type, block }) => [
      block.line,
      type,
      (attributeOf(block, 'inline') ?? attributeOf(block, 'source'))?.value,
    ])
    expect(inside).toEqual([
      [2, 'shell', '["1"]'],
      [5, 'file', '"a"'],
      [8, 'shell', '["2"]'],
      [13, 'shell', '["3"]'],
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
      hint: 'correct that line; `packer fmt` shows the structure',
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
      message: `${invalid}/no-template holds no *.pkr.hcl and no *.pkr.json file`,
      hint: 'a template family is a folder of packer/ with a template',
      exitCode: 3,
      facts: {},
    })
  })
})

describe('what is known before the build', () => {
  const env = { PROXMOX_STORAGE_POOL: 'tank' }

  /** Value of an expression in a template with the variables above and some locals. */
  async function known(
    expression: string,
    given: Record<string, string> = {},
    files: Record<string, string> = {},
    shell: NodeJS.ProcessEnv = env,
  ): Promise<unknown> {
    const locals = `locals {
      base  = "base-\${var.release}"
      again = local.again
      codes = ["0", 2]
      named = { bridge = "vmbr1", "deep" = { list = [7] } }
      it    = ${expression}
    }`
    const template = await loadTemplate('x', await family({ 'x.pkr.hcl': `${variables}${locals}`, ...files }))
    const scope = scopeOf(template, { variables: given, env: shell })
    return expressionValue(template, template.locals.get('it')?.text, scope)
  }

  test.each<[string, string, Record<string, string>, unknown]>([
    ['a text', '"vmbr0"', {}, 'vmbr0'],
    ['a number', '4', {}, 4],
    ['a negative number', '-4', {}, -4],
    ['a boolean', 'false', {}, false],
    ['null', 'null', {}, null],
    ['a list', '["a", 1, var.release]', {}, ['a', 1, '12']],
    ['a list with a part that is not known', '["a", var.bridge]', {}, ['a', undefined]],
    ['an object', '{ a = 1, "b" = var.release }', {}, { a: 1, b: '12' }],
    ['escapes', '"a\\n\\"b\\u0041 $${c}"', {}, 'a\n"bA ${c}'],
    ['a heredoc', '<<EOT\na ${var.release}\nb\nEOT', {}, 'a 12\nb\n'],
    ['the environment', 'env("PROXMOX_STORAGE_POOL")', {}, 'tank'],
    ['the environment without the variable', 'env("NOT_SET")', {}, ''],
    ["a variable's default", 'var.release', {}, '12'],
    ['a default that is a number', 'var.cores', {}, 2],
    ['a default from the environment', 'var.pool', {}, 'tank'],
    ['a default that is another variable, which Packer refuses', 'var.base', {}, undefined],
    ['a variable given', 'var.release', { release: '13' }, '13'],
    ['a variable given as text that looks like one', 'var.release', { release: '${var.x}' }, '${var.x}'],
    ['a variable given as nothing', 'var.release', { release: '' }, ''],
    ['a variable without a default', 'var.bridge', {}, undefined],
    ['a variable that is not declared', 'var.nobody', {}, undefined],
    ['a boolean variable, given as text', 'var.full', { full: 'false' }, false],
    ['text around a variable', '"base-${var.release}-x"', {}, 'base-12-x'],
    ['two variables', '"${var.release}/${var.cores}"', { release: '13' }, '13/2'],
    ['text around an unknown variable', '"base-${var.bridge}"', {}, undefined],
    ['a local', 'local.base', { release: '13' }, 'base-13'],
    ['a local that refers to itself', 'local.again', {}, undefined],
    ['a part of a local', 'local.named.deep.list[0]', {}, 7],
    ['a part by a key', 'local.named["bridge"]', {}, 'vmbr1'],
    ['the data of Packer', 'data.amazon-ami.x.id', {}, undefined],
    ['a function', 'upper(join("-", ["a", var.release]))', {}, 'A-12'],
    ['a function that only Packer knows', 'timestamp()', {}, undefined],
    ['coalesce', 'coalesce(env("NOT_SET"), "x")', {}, 'x'],
    ['coalesce behind something unknown', 'coalesce(var.bridge, "x")', {}, undefined],
    ['a condition', 'var.release == "" ? null : "x"', {}, 'x'],
    ['a condition in brackets', '(var.cores >= 2 && !var.full) ? "x" : "y"', {}, 'y'],
    ['a condition that is not known', 'var.bridge == "" ? 1 : 2', {}, undefined],
    ['a loop', '[for x in local.codes : x]', {}, undefined],
  ])('%s', async (_, expression, given, expected) => {
    expect(await known(expression, given)).toEqual(expected)
  })

  test("Packer's order: -var, then *.auto.pkrvars.*, the last file first, then PKR_VAR_, then the default", async () => {
    const files = {
      'a.auto.pkrvars.hcl': 'release = "a"\ncores = 3\n',
      'b.auto.pkrvars.hcl': 'release = "b"\n',
      'a.auto.pkrvars.json': '{"pool": "json"}',
    }
    const shell = { ...env, PKR_VAR_release: 'shell', PKR_VAR_bridge: 'vmbr7' }
    const resolve = (name: string, given = {}) => known(`var.${name}`, given, files, shell)
    expect(await resolve('release', { release: 'given' })).toBe('given')
    expect(await resolve('release')).toBe('b')
    expect(await resolve('cores')).toBe(3)
    expect(await resolve('bridge')).toBe('vmbr7')
    expect(await resolve('pool')).toBe('json')
  })
})

test('a template in JSON is read as one in HCL', async () => {
  const json = {
    '//': 'a comment',
    variable: { release: { type: 'string', default: '12' }, t: { sensitive: true, default: '${env("T")}' } },
    locals: { base: 'base-${var.release}' },
    source: {
      'proxmox-clone': {
        x: {
          token: '${var.t}',
          clone_vm: '${local.base}',
          network_adapters: [{ bridge: 'vmbr0' }, { bridge: 'vmbr1' }],
          vga: { type: 'std' },
        },
      },
    },
    build: {
      sources: ['source.proxmox-clone.x'],
      provisioner: [{ shell: { inline: ['true'] } }, { file: { source: 'a', destination: '/b' } }],
    },
  }
  const text = JSON.stringify(json, null, 2)
  const root = await family({ 'x.pkr.json': text })
  const template = await loadTemplate('x', root)
  const lineOf = (part: string) => text.slice(0, text.indexOf(part)).split('\n').length
  expect(template.variables).toMatchObject([
    { name: 'release', type: 'string', sensitive: false, defaultText: '"12"' },
    { name: 't', sensitive: true, defaultText: 'env("T")' },
  ])
  const [source] = template.sources
  expect(attributeOf(source!.block, 'clone_vm')?.line).toBe(lineOf('"clone_vm"'))
  expect(buildTarget(template, { env: {} })).toMatchObject({
    baseName: 'base-12',
    bridge: 'vmbr0',
    furtherCards: [{ bridge: 'vmbr1', vlanTag: undefined }],
  })
  expect(template.used.map(({ source: name }) => name)).toEqual(['proxmox-clone.x'])
  expect(template.provisioners.map(({ type }) => type)).toEqual(['shell', 'file'])
})

test('a syntax error in JSON: file and line', async () => {
  const root = await family({ 'x.pkr.json': '{\n  "source": {\n' })
  expect((await failureOf(() => loadTemplate('x', root))).message).toContain(`${root}/x/x.pkr.json:3: `)
})
