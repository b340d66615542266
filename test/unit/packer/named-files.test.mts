// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
/** Files outside of a family's folder that its template names: `--if-changed` sees their changes. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { inputDigests } from '../../../scripts/lib/packer/input-digest.mts'
import { namedFiles } from '../../../scripts/lib/packer/named-files.mts'
import { loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { temporaryFolder } from '../temporary.mts'

/** Digested files of a family `x` whose template is `text`; `files` lie in the project. */
async function digested(
  text: string,
  files: string[],
  variables: Record<string, string> = {},
): Promise<string[]> {
  const root = await temporaryFolder()
  for (const [name, content] of [
    ['packer/x/x.pkr.hcl', text] as const,
    ...files.map(file => [file, file] as const),
  ]) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), content)
  }
  await symlink('../../shared', join(root, 'packer/x/linked'))
  await mkdir(join(root, 'shared'), { recursive: true })
  const template = await loadTemplate('x', join(root, 'packer'))
  const { inputs } = await inputDigests({ ...template, named: namedFiles(template, { variables }) }, {})
  return Object.keys(inputs)
    .map(name => name.replace(/^file /, '').replace(root, 'ROOT'))
    .filter(name => name !== 'x.pkr.hcl')
}

const provisioner = (type: string, body: string) =>
  `build {\n  provisioner "${type}" {\n    ${body}\n  }\n}\n`
const source = (body: string) => `source "proxmox-iso" "x" {\n  ${body}\n}\n`
const FILES = ['shared/a.sh', 'shared/more/b.sh', 'shared/README.md', 'packer/common/c.sh', 'other/d.sh']

describe('what counts', () => {
  test.each<[string, string, string[]]>([
    ['a script', provisioner('shell', 'script = "${path.root}/../../other/d.sh"'), ['../../other/d.sh']],
    [
      'by a variable',
      `variable "f" {\n  default = "d"\n}\n${provisioner('shell', 'scripts = ["../../other/${var.f}.sh"]')}`,
      ['../../other/d.sh'],
    ],
    [
      'a folder',
      provisioner('file', 'source = "../../other/"\n    destination = "/tmp"'),
      ['../../other/d.sh'],
    ],
    ['the folder of HTTP', source('http_directory = "${path.root}/../../other"'), ['../../other/d.sh']],
    [
      'files of a medium',
      source('additional_iso_files {\n    cd_files = ["../../other/d.sh"]\n  }'),
      ['../../other/d.sh'],
    ],
    [
      'a file that a function reads',
      'locals {\n  d = templatefile("${path.root}/../../other/d.sh", { a = 1 })\n}\n',
      ['../../other/d.sh'],
    ],
    ['a file below packer/ once', provisioner('shell', 'script = "../common/c.sh"'), ['../common/c.sh']],
    [
      'what lies on the guest not',
      provisioner('file', 'source = "/etc/hostname"\n    destination = "/tmp"\n    direction = "download"'),
      [],
    ],
    ['the destination not', provisioner('file', 'source = "nothing"\n    destination = "/etc/hostname"'), []],
    ['an unknown name not', provisioner('shell', 'script = "../../other/${var.unknown}.sh"'), []],
  ])('%s', async (_, text, expected) => {
    const linked = ['linked/a.sh', 'linked/more/b.sh']
    expect(await digested(text, FILES)).toEqual([...expected, ...linked].sort())
  })

  test('a document of the family that is named', async () => {
    const text = provisioner('file', 'source = "${path.root}/README.md"\n    destination = "/tmp"')
    expect(await digested(text, ['packer/x/README.md'])).toEqual(['README.md'])
  })

  test('with the variables of the build', async () => {
    const text = `variable "f" {\n  default = "none"\n}\n${provisioner('shell', 'script = "../../other/${var.f}.sh"')}`
    expect(await digested(text, ['other/d.sh'], { f: 'd' })).toEqual(['../../other/d.sh'])
  })
})
