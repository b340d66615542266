/** What the documents say of commands, options, codes and rules is so. */
import { execFile } from 'node:child_process'
import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { checks } from '../../scripts/lib/acceptance/checks.mts'
import { rulesTable } from '../../scripts/lib/packer/rules.mts'
import { listFamilies } from '../../scripts/lib/packer/template.mts'
import {
  acceptanceNeeds,
  baseImportNeeds,
  cloneBuildNeeds,
  vmNeeds,
} from '../../scripts/lib/permissions/needs.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'

const repository = resolve(import.meta.dirname, '../..')

interface Document {
  /** From the repository's root. */
  path: string
  text: string
}

async function documents(): Promise<Document[]> {
  const docs = (await readdir(join(repository, 'docs'), { recursive: true })).map(path => `docs/${path}`)
  const families = (await listFamilies(join(repository, 'packer'))).map(os => `packer/${os}/README.md`)
  const paths = ['README.md', 'secrets/README.md', 'lab/pve/README.md', ...families, ...docs]
  return Promise.all(paths.filter(path => path.endsWith('.md')).map(load))
}

async function load(path: string): Promise<Document> {
  return { path, text: await readFile(join(repository, path), 'utf8') }
}

let all: Document[]
const documentNamed = (path: string): string => all.find(document => document.path === path)!.text

beforeAll(async () => {
  all = await documents()
})

interface Command {
  script: string
  options: string[]
  where: string
}

/** Every `zx scripts/NAME.mts ...` up to the end of its code; options behind `--` are another program's. */
function commandsIn({ path, text }: Document): Command[] {
  return [...text.matchAll(/zx (scripts\/[\w-]+\.mts)([^`#|;\n]*)/g)].map(([where, script, rest = '']) => {
    const words = rest.split(/ -- /)[0]!.match(/(?<=\s)--[a-z][a-z-]*/g) ?? []
    return { script: script!, options: words, where: `${path}: ${where}` }
  })
}

async function optionsOf(script: string): Promise<Set<string>> {
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const run = promisify(execFile)(process.execPath, [zx, script, '--help'], { cwd: repository })
  return new Set((await run).stdout.match(/(?<=^ {2})--[a-z-]+/gm))
}

describe('commands', () => {
  test('every script that is named exists and knows the options named with it', async () => {
    const commands = all.flatMap(commandsIn)
    const scripts = [...new Set(commands.map(({ script }) => script))]
    const known = new Map(
      await Promise.all(scripts.map(async script => [script, await optionsOf(script)] as const)),
    )
    const unknown = commands.flatMap(({ script, options, where }) =>
      options.filter(option => !known.get(script)!.has(option)).map(option => `${where}: ${option}`),
    )
    expect(unknown).toEqual([])
    expect(commands.flatMap(({ options }) => options)).toContain('--validate-only')
  })

  test('every script there is stands in the table of the README', async () => {
    const scripts = (await readdir(join(repository, 'scripts'))).filter(name => name.endsWith('.mts'))
    const table = documentNamed('README.md')
      .split('\n')
      .filter(line => line.startsWith('| `zx '))
      .join('\n')
    expect(scripts.filter(name => !table.includes(`zx scripts/${name}`))).toEqual([])
  })

  test('every option of the lab is explained', async () => {
    const lab = documentNamed('docs/lab.md')
    const options = [...(await optionsOf('scripts/lab.mts'))].filter(option => option !== '--help')
    expect(options.filter(option => !lab.includes(option))).toEqual([])
  })

  test('every make target that is named exists', async () => {
    const makefile = await readFile(join(repository, 'Makefile'), 'utf8')
    const targets = new Set(makefile.match(/^[a-z-]+(?=:)/gm))
    const named = all.flatMap(({ text }) => text.match(/(?<=(?:`|^ {4})make )[a-z-]+/gm) ?? [])
    expect(named.filter(target => !targets.has(target))).toEqual([])
    expect(named).toContain('demo')
  })
})

/** The cells of the first column of a table whose rows begin with it. */
function firstColumn(text: string): string[] {
  return [...text.matchAll(/^\| `?([\w-]+)`? \|/gm)].map(([, cell]) => cell!)
}

describe('tables', () => {
  test('the exit codes are those of the code', () => {
    const documented = firstColumn(documentNamed('docs/exit-codes.md')).filter(cell => /^\d+$/.test(cell))
    expect(documented.map(Number)).toEqual(Object.values(exitCodes))
  })

  test('the table of the rules is the one the code makes', () => {
    expect(documentNamed('docs/templates.md')).toContain(`\n${rulesTable()}\n`)
  })

  test('the checks of the acceptance test are those of the code, word by word', () => {
    const [, section = ''] = documentNamed('docs/templates.md').split(/^## The acceptance test$/m)
    const rows = section
      .split(/^## /m)[0]!
      .split('\n')
      .filter(line => line.startsWith('| `'))
    expect(rows).toEqual(checks.map(({ name, says, why }) => `| \`${name}\` | ${says} | ${why} |`))
  })
})

/** Everything that building, importing and VMs want, also where they could do without. */
function neededPrivileges(pveMajor: number): string[] {
  const place = { pveMajor, node: 'pve', vmid: undefined, diskStorages: ['tank'], bridge: 'vmbr0' }
  const needs = [
    ...cloneBuildNeeds(place, undefined, true),
    ...acceptanceNeeds(place, undefined, { login: 'ssh', agent: true }, 'local'),
    ...baseImportNeeds(place, 'local'),
    ...(['snippet', 'iso'] as const).flatMap(kind => vmNeeds(place, undefined, { kind, storage: 'local' })),
  ]
  return [...new Set(needs.flatMap(need => need.alternatives[0]!.map(grant => grant.privilege)))].sort()
}

function rolesIn(text: string): string[][] {
  return [...text.matchAll(/^pveum role add \w+ -privs '([^']+)'/gm)].map(([, names]) => names!.split(','))
}

describe('the role', () => {
  test('of the README has what the check asks for on Proxmox VE 9', () => {
    expect(rolesIn(documentNamed('README.md'))).toEqual([neededPrivileges(9)])
  })

  test('of the set-up guide has it for 9, then for 8', () => {
    const expected = [neededPrivileges(9), neededPrivileges(8)]
    expect(rolesIn(documentNamed('docs/proxmox-setup.md'))).toEqual(expected)
  })
})

/** As GitHub makes them: lower case, without punctuation, hyphens for spaces. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

async function brokenLinks({ path, text }: Document): Promise<string[]> {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
  const broken = links.map(async ([link, target = '', anchor]) => {
    const file = target === '' ? path : join(dirname(path), target)
    const exists = await access(join(repository, file)).then(
      () => true,
      () => false,
    )
    if (!exists) return [`${path}: ${link}`]
    if (anchor === undefined) return []
    return anchorsOf((await load(file)).text).includes(anchor) ? [] : [`${path}: ${link}`]
  })
  return (await Promise.all(broken)).flat()
}

describe('links', () => {
  test('lead to files and headings that are there', async () => {
    expect((await Promise.all(all.map(brokenLinks))).flat()).toEqual([])
  })

  test('reach every document of docs/', () => {
    const index = documentNamed('docs/README.md')
    const others = all
      .map(({ path }) => path)
      .filter(path => path.startsWith('docs/') && path !== 'docs/README.md')
    expect(others.filter(path => !index.includes(`](${path.slice('docs/'.length)})`))).toEqual([])
  })
})
