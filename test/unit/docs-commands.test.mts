/** The commands that documents show can be typed as they stand. */
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { LAB_OPTIONS } from '../../lab/options.mts'
import { renderUserData, USER_DATA_FOLDER } from '../../scripts/lib/cloud-init/user-data.mts'
import { parseArguments } from '../../scripts/lib/run/command-line.mts'
import { type CommandSpec, optionsOfAll } from '../../scripts/lib/run/command-spec.mts'
import type { runMain } from '../../scripts/lib/run/main.mts'
import { type Step, scenes } from '../e2e/documents/scenes.mts'
import { blockOf, type Document, documents, fencedBlocks, loadDocument, repository } from './documents.mts'
import { temporaryFolder } from './temporary.mts'

const specs = vi.hoisted(() => new Map<string, CommandSpec>())

// A script says what it takes, and runs nothing.
vi.mock('../../scripts/lib/run/main.mts', () => ({
  runMain: (async command => void specs.set(command.name, command)) satisfies typeof runMain,
}))

let all: Document[]
let scripts: string[]

beforeAll(async () => {
  all = await documents()
  scripts = (await readdir(join(repository, 'scripts'))).filter(name => name.endsWith('.mts'))
  for (const script of scripts) await import(join(repository, 'scripts', script))
})

interface Shown {
  name: string
  /** What is behind the script, as a shell splits it. */
  argv: string[]
  where: string
}

/** Every `zx scripts/NAME.mts ...` up to the end of its code or of the command. */
function shownIn({ path, text }: Document): Shown[] {
  return [...text.matchAll(/zx scripts\/([\w-]+)\.mts([^`#|;&)\n]*)/g)].map(([where, name, rest = '']) => ({
    name: name!,
    argv: splitWords(rest),
    where: `${path}: ${where}`,
  }))
}

/** Quotes hold words together; variables stay as they are. */
function splitWords(text: string): string[] {
  return [...text.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word.replaceAll(/['"]/g, ''))
}

/** As it is compared with others: what stands for a name or a family of the reader's is that of the examples. */
function wordsOf({ name, argv }: Shown): string {
  const names: Record<string, string> = { NAME: 'web-1', OS: 'debian' }
  return [`zx scripts/${name}.mts`, ...argv.map(word => names[word] ?? word)].join(' ')
}

/** The commands of a scene's step. */
async function commandsOf({ page, workflow, text }: Step): Promise<string[]> {
  if (workflow !== undefined) return []
  const lines = page === undefined ? text : blockOf(await loadDocument(page), text)
  return shownIn({ path: '', text: lines }).map(wordsOf)
}

const unrunnable = (): string =>
  all.find(({ path }) => path === 'docs/README.md')!.text.split('## Commands that no test runs')[1] ?? ''

/** In a sentence or a table a command is often shown with what may follow: `[OS]...`. */
const isPattern = ({ argv }: Shown): boolean => argv.some(word => /^\[|\]$|\\$|^\.\.\.$/.test(word))

function faultOf({ name, argv }: Shown): string | undefined {
  const spec = specs.get(name)
  if (spec === undefined) return 'there is no such script'
  try {
    const separator = argv.indexOf('--')
    const words = separator < 0 ? argv : argv.slice(0, separator)
    // A document may name a command without its verb.
    if (spec.verbs === undefined || words.length > 0) parseArguments(spec, words)
    return undefined
  } catch (error) {
    return String(error)
  }
}

describe('commands', () => {
  test('every one that is shown is parsed by its own script', () => {
    const shown = all.flatMap(shownIn).filter(one => !isPattern(one))
    expect(shown.length).toBeGreaterThan(150)
    const faults = shown.flatMap(one => {
      const fault = faultOf(one)
      return fault === undefined ? [] : [`${one.where}: ${fault}`]
    })
    expect(faults).toEqual([])
  })

  test('what may follow one has options that it knows', () => {
    const patterns = all.flatMap(shownIn).filter(isPattern)
    const unknown = patterns.flatMap(({ name, argv, where }) =>
      argv
        .flatMap(word => word.match(/--[a-z][a-z-]*/g) ?? [])
        .filter(
          option =>
            ![
              '--json',
              '--help',
              ...Object.keys(optionsOfAll(specs.get(name)!)).map(known => `--${known}`),
            ].includes(option),
        )
        .map(option => `${where}: ${option}`),
    )
    expect(unknown).toEqual([])
  })

  test('one that cannot be typed is found out', () => {
    const fault = (text: string) => faultOf(shownIn({ path: '', text })[0]!)
    expect(fault('`zx scripts/vm.mts lst`')).toMatch('say one of create, change, list')
    expect(fault('`zx scripts/vm.mts create web --cpus 2`')).toMatch('unknown option')
    expect(fault('`zx scripts/vm.mts list --cpu 2`')).toMatch('list has no --cpu')
    expect(fault('`zx scripts/report.mts --out`')).toMatch('needs a value')
    expect(fault('`zx scripts/vm.mts create web --cpu 2`')).toBeUndefined()
  })

  test('every script there is stands in the table of the README', () => {
    const table = all
      .find(({ path }) => path === 'README.md')!
      .text.split('\n')
      .filter(line => line.startsWith('| `zx '))
      .join('\n')
    expect(scripts.filter(name => !table.includes(`zx scripts/${name}`))).toEqual([])
  })

  test('every one that is shown is run by test/nightly/documents.test.mts, or listed as one that none runs', async () => {
    const run = await Promise.all(scenes.flatMap(({ steps }) => steps.map(commandsOf)))
    const elsewhere = shownIn(await loadDocument('docs/rotation.md'))
    const covered = new Set([...run.flat(), ...elsewhere.map(wordsOf), 'zx scripts/demo.mts'])
    const listed = shownIn({ path: '', text: unrunnable() }).map(wordsOf)
    const typed = all.filter(({ path }) => !path.startsWith('docs/decisions/')).flatMap(shownIn)
    const shown = typed.filter(one => !isPattern(one)).map(wordsOf)
    // A command that is only named is the beginning of one that is typed.
    const begins = (words: string) => [...covered].some(one => one.startsWith(`${words} `))
    expect(shown.filter(words => !covered.has(words) && !begins(words) && !listed.includes(words))).toEqual(
      [],
    )
    expect(listed.filter(words => covered.has(words))).toEqual([])
    expect([...covered].filter(words => !shown.includes(words))).toEqual([])
  })

  test('the example of each `--help` is parsed by it too', () => {
    const examples = [...specs.values()].flatMap(({ example }) => shownIn({ path: '--help', text: example }))
    expect(examples.length).toBeGreaterThanOrEqual(scripts.length - 1)
    expect(examples.map(faultOf).filter(fault => fault !== undefined)).toEqual([])
  })

  test('every option of the lab is explained', () => {
    const lab = all.find(({ path }) => path === 'docs/lab.md')!.text
    expect(Object.keys(LAB_OPTIONS).filter(option => !lab.includes(`--${option}`))).toEqual([])
  })

  test('every make target that is named exists', async () => {
    const makefile = await readFile(join(repository, 'Makefile'), 'utf8')
    const targets = new Set(makefile.match(/^[a-z-]+(?=:)/gm))
    const named = all.flatMap(({ text }) => text.match(/(?<=(?:`|^ {4}|^)make )[a-z-]+(?=[`\s])/gm) ?? [])
    expect(named.filter(target => !targets.has(target))).toEqual([])
    expect(named).toContain('demo')
  })
})

/** Programs whose commands tests run or parse, or that are everywhere. */
const known = [
  'zx',
  'pve-lab',
  'make',
  'npm',
  'vitest',
  'node',
  'packer',
  'tofu',
  'cd',
  'cp',
  'mkdir',
  'mv',
  'sed',
  'node_modules/bats/bin/bats',
  'export',
  'eval',
  'echo',
  'ssh',
  'curl',
]

/** The first word of each line that is no continuation, behind assignments and brackets. */
function programsIn(block: string): string[] {
  const lines = block.replaceAll('\\\n', ' ').split('\n')
  const commands = lines.flatMap(line => line.replace(/(^|\s)#.*$/, '').split(/ && | \| /))
  return commands
    .map(command =>
      command
        .trim()
        .replace(/^\(/, '')
        .replace(/^(?:\w+=(?:"[^"]*"|'[^']*'|\$\([^)]*\)|\S)*\s*)+/, ''),
    )
    .map(command => command.split(/\s/)[0]!)
    .filter(word => word !== '')
}

describe('shell blocks', () => {
  test('are read by bash', () => {
    const blocks = all.flatMap(document =>
      fencedBlocks(document, 'sh').map(block => ({ path: document.path, block })),
    )
    expect(blocks.length).toBeGreaterThan(50)
    const faults = blocks.flatMap(({ path, block }) => {
      const { status, stderr } = spawnSync('bash', ['-n'], { input: block, encoding: 'utf8' })
      return status === 0 ? [] : [`${path}: ${stderr}`]
    })
    expect(faults).toEqual([])
  })

  test('use programs that tests run, or that are listed as those they cannot', () => {
    const listed = [...unrunnable().matchAll(/`([\w-]+)`/g)].map(([, program]) => program!)
    const used = new Set(all.flatMap(document => fencedBlocks(document, 'sh').flatMap(programsIn)))
    expect([...used].filter(program => ![...known, ...listed].includes(program))).toEqual([])
    expect(
      listed.filter(program => !used.has(program) && !all.some(({ text }) => text.includes(`${program} `))),
    ).toEqual([])
  })
})

test('cloud-init templates that are shown can be filled in', async () => {
  const shown = all.flatMap(document =>
    fencedBlocks(document, 'yaml')
      .filter(block => block.includes('{{ hostname }}'))
      .map(block => ({ path: document.path, block })),
  )
  expect(shown.length).toBeGreaterThanOrEqual(2)
  const folder = join(await temporaryFolder(), USER_DATA_FOLDER)
  await mkdir(folder, { recursive: true })
  const variables = {
    hostname: 'web-1',
    username: 'admin',
    purpose: 'shop',
    ssh_authorized_keys: ['ssh-ed25519 AAAA'],
  }
  for (const { path, block } of shown) {
    await writeFile(join(folder, 'shown.yaml'), block)
    expect(await renderUserData(folder, 'shown', variables), path).toMatch(
      /^#cloud-config\nhostname: web-1\n/,
    )
  }
})
