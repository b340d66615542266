// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
/** Symbolic links in packer/: what they point to counts, and nothing is written through them. */
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { inputDigests } from '../../../scripts/lib/packer/input-digest.mts'
import { writePackagedCopy } from '../../../scripts/lib/packer/packaged-copy.mts'
import { listFamilies, loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { randomFrom } from '../../random.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const PLUGINS = 'packer {\n  required_plugins {}\n}\n'
const SOURCE = 'source "proxmox-clone" "x" {\n  token = var.t\n  cores = 2\n}\n'
const BUILD = 'build {\n  provisioner "shell" {\n    script = "${path.root}/../common/a.sh"\n  }\n}\n'

/** A project with a family `x`, shared files in common/, and files outside of the project. */
async function project(): Promise<{ root: string; packer: string; outside: string }> {
  const root = await realpath(await temporaryFolder())
  const outside = await realpath(await temporaryFolder())
  const packer = join(root, 'packer')
  for (const folder of ['packer/x/scripts', 'packer/common/parts', 'packer/y', 'common', 'families/far'])
    await mkdir(join(root, folder), { recursive: true })
  await mkdir(join(outside, 'files'))
  const files = {
    [join(root, 'packer/x/x.pkr.hcl')]: SOURCE,
    [join(root, 'packer/x/build.pkr.hcl')]: BUILD,
    [join(root, 'packer/x/scripts/own.sh')]: 'own\n',
    [join(root, 'packer/common/a.sh')]: 'a\n',
    [join(root, 'packer/common/parts/b.sh')]: 'b\n',
    [join(root, 'packer/y/y.pkr.hcl')]: SOURCE,
    [join(root, 'common/plugins.pkr.hcl')]: PLUGINS,
    [join(root, 'families/far/far.pkr.hcl')]: SOURCE,
    [join(outside, 'outside.pkr.hcl')]: PLUGINS,
    [join(outside, 'files/big.bin')]: 'big\n',
  }
  for (const [path, text] of Object.entries(files)) await writeFile(path, text)
  await symlink('a.sh', join(packer, 'common/linked.sh'))
  return { root, packer, outside }
}

/** Mode, time and content of everything below a folder. A link is not followed. */
async function snapshot(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  // `readdir` with `recursive` follows links.
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const stats = await lstat(path, { bigint: true })
    const content = stats.isSymbolicLink()
      ? await readlink(path)
      : stats.isFile() && (await readFile(path)).toString('base64')
    found[path] = [stats.mode.toString(8), stats.mtimeNs, content].join(' ')
    if (stats.isDirectory()) Object.assign(found, await snapshot(path))
  }
  return found
}

type Link = [path: string, target: string]

/** Links that may be in a project, by what they are. */
function possibleLinks(root: string, outside: string): Record<string, Link> {
  return {
    'a template, relative': ['packer/x/plugins.pkr.hcl', '../../common/plugins.pkr.hcl'],
    'a template, absolute': ['packer/x/more.pkr.hcl', join(root, 'families/far/far.pkr.hcl')],
    'a template out of the project': ['packer/x/out.pkr.hcl', join(outside, 'outside.pkr.hcl')],
    'values out of the project': ['packer/x/x.auto.pkrvars.hcl', join(outside, 'values.hcl')],
    'a script': ['packer/x/scripts/linked.sh', '../../common/a.sh'],
    'a link to a link': ['packer/x/scripts/twice.sh', '../../common/linked.sh'],
    'a folder': ['packer/x/parts', '../common/parts'],
    'a folder out of the project': ['packer/x/files', join(outside, 'files')],
    'the folder above': ['packer/x/up', '..'],
    'the root of the project': ['packer/x/scripts/root', root],
    'in common': ['packer/common/more', join(outside, 'files')],
    'the lock of an editor': ['packer/x/scripts/.#own.sh', 'somebody@host.1234'],
    'another family': ['packer/z', '../families/far'],
  }
}

describe('the work tree is as it was', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'after all readers and the copy: links %i',
    async seed => {
      const { root, packer, outside } = await project()
      await writeFile(join(outside, 'values.hcl'), 'a = 1\n')
      const random = randomFrom(seed)
      const links = Object.values(possibleLinks(root, outside)).filter(() => random() < 0.6)
      for (const [path, target] of links) await symlink(target, join(root, path))
      if (random() < 0.5) await chmod(join(packer, 'x/x.pkr.hcl'), 0o444)
      const before = [await snapshot(root), await snapshot(outside)]
      const target = join(await temporaryFolder(), 'copy')
      for (const os of await listFamilies(packer)) {
        const template = await loadTemplate(os, packer).catch(error => {
          // The far template is there twice: once by its link.
          expect(error.message).toContain('defines the source proxmox-clone.x 2 times')
          return undefined
        })
        if (template === undefined) continue
        await inputDigests(template, {})
        await writePackagedCopy(template, target)
      }
      expect([await snapshot(root), await snapshot(outside)]).toEqual(before)
    },
  )
})

test('the copy has the translated text where the family has a link', async () => {
  const { root, packer } = await project()
  await symlink('../../common/plugins.pkr.hcl', join(packer, 'x/plugins.pkr.hcl'))
  const { folder } = await writePackagedCopy(await loadTemplate('x', packer), join(root, 'copy'))
  expect(await readFile(join(folder, 'plugins.pkr.hcl'), 'utf8')).toBe('packer {\n}\n')
  expect(await readFile(join(root, 'common/plugins.pkr.hcl'), 'utf8')).toBe(PLUGINS)
})

test('all that a template can name is in the copy, and no cache is', async () => {
  const { root, packer, outside } = await project()
  await mkdir(join(packer, 'y/packer_cache'))
  await mkdir(join(packer, 'x/packer_cache'))
  await mkdir(join(root, 'shared'))
  await writeFile(join(root, 'shared/s.sh'), 's\n')
  await writeFile(
    join(packer, 'x/further.pkr.hcl'),
    'locals {\n  s = file("${path.root}/../../shared/s.sh")\n}\n',
  )
  await symlink(join(outside, 'files'), join(packer, 'x/files'))
  await symlink('../scripts', join(packer, 'x/scripts/again'))
  const { folder } = await writePackagedCopy(
    await loadTemplate('x', packer),
    join(await temporaryFolder(), 'copy'),
  )
  const read = (path: string) => readFile(join(folder, path), 'utf8')
  expect(await read('../common/a.sh')).toBe('a\n')
  expect(await read('../common/parts/b.sh')).toBe('b\n')
  expect(await read('../../shared/s.sh')).toBe('s\n')
  expect(await read('files/big.bin')).toBe('big\n')
  expect(await read('scripts/again/own.sh')).toBe('own\n')
  expect(await read('../y/y.pkr.hcl')).toBe(SOURCE)
  expect((await lstat(join(folder, '../y'))).isSymbolicLink()).toBe(true)
  expect(await readdir(folder)).not.toContain('packer_cache')
})

describe('a link without a target is named', () => {
  const fault = (path: string, target: string, reason: string) => ({
    message: `${path} is a link to ${target}, ${reason}`,
    hint: 'correct the link or remove it',
    exitCode: 3,
    facts: {},
  })

  test('of a template', async () => {
    const { packer } = await project()
    const path = join(packer, 'x/plugins.pkr.hcl')
    await symlink('../gone.pkr.hcl', path)
    expect(await failureOf(() => loadTemplate('x', packer))).toEqual(
      fault(path, '../gone.pkr.hcl', 'which is not there'),
    )
  })

  test.each<[string, string]>([
    ['../gone', 'which is not there'],
    ['linked', 'which leads back to itself'],
  ])('of a script: %s', async (target, reason) => {
    const { packer } = await project()
    const path = join(packer, 'x/scripts/linked')
    await symlink(target, path)
    const template = await loadTemplate('x', packer)
    const copy = join(await temporaryFolder(), 'copy')
    for (const work of [() => inputDigests(template, {}), () => writePackagedCopy(template, copy)])
      expect(await failureOf(work)).toEqual(fault(path, target, reason))
  })

  test('of a family', async () => {
    const { packer } = await project()
    await symlink('../gone', join(packer, 'z'))
    expect(await failureOf(() => listFamilies(packer))).toEqual(
      fault(join(packer, 'z'), '../gone', 'which is not there'),
    )
  })

  test('of another family: this one is built all the same', async () => {
    const { packer } = await project()
    await symlink('gone.sh', join(packer, 'y/link.sh'))
    expect(Object.keys((await inputDigests(await loadTemplate('x', packer), {})).inputs)).toContain(
      'file ../common/a.sh',
    )
  })
})

describe('the digest', () => {
  async function digestWith(links: Link[], change = async (_root: string) => {}): Promise<string[]> {
    const { root, packer } = await project()
    for (const [path, target] of links) await symlink(target, join(root, path))
    await change(root)
    const { inputs } = await inputDigests(await loadTemplate('x', packer), {})
    return Object.entries(inputs).map(entry => entry.join(' '))
  }

  test.each<[string, Link, string, string]>([
    [
      'a template',
      ['packer/x/plugins.pkr.hcl', '../../common/plugins.pkr.hcl'],
      'common/plugins.pkr.hcl',
      'plugins.pkr.hcl',
    ],
    ['a script', ['packer/x/scripts/l.sh', '../../y/y.pkr.hcl'], 'packer/y/y.pkr.hcl', 'scripts/l.sh'],
    ['a file in a folder', ['packer/x/parts', '../common/parts'], 'packer/common/parts/b.sh', 'parts/b.sh'],
  ])('sees a change of what a link points to: %s', async (_, link, changed, name) => {
    const before = await digestWith([link])
    const after = await digestWith([link], root => writeFile(join(root, changed), '# another\n'))
    const differ = after.filter(line => !before.includes(line)).map(line => line.split(' ')[1])
    expect(differ).toEqual([name])
  })

  test('a link to a folder above is not followed', async () => {
    const plain = await digestWith([])
    expect(
      await digestWith([
        ['packer/x/up', '..'],
        ['packer/x/scripts/root', '../../..'],
      ]),
    ).toEqual(plain)
  })

  test('caches, logs and the data of Git do not count', async () => {
    const plain = await digestWith([])
    const withMore = await digestWith([], async root => {
      for (const folder of ['packer_cache', '.git', 'scripts/packer_cache']) {
        await mkdir(join(root, 'packer/x', folder))
        await writeFile(join(root, 'packer/x', folder, 'some.iso'), 'x')
      }
      await writeFile(join(root, 'packer/x/crash.log'), 'x')
    })
    expect(withMore).toEqual(plain)
  })
})

describe('families', () => {
  test('a link to a folder is one; a folder without a template is none', async () => {
    const { root, packer } = await project()
    await symlink('../families/far', join(packer, 'far'))
    for (const folder of ['scripts', 'http', 'only-family']) await mkdir(join(packer, folder))
    await writeFile(join(packer, 'scripts/a.sh'), '')
    await writeFile(join(packer, 'only-family/family.yaml'), '')
    await symlink(join(root, 'common/plugins.pkr.hcl'), join(packer, 'plugins.pkr.hcl'))
    expect(await listFamilies(packer)).toEqual(['far', 'only-family', 'x', 'y'])
  })
})
