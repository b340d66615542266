/** PROJECT.yaml and `--help` are what the code says, and every example works. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseArguments } from '../../scripts/lib/run/command-line.mts'
import type { CommandForm, CommandSpec } from '../../scripts/lib/run/command-spec.mts'
import { helpText } from '../../scripts/lib/run/help.mts'
import { commandsOf } from '../../scripts/lib/run/main.mts'
import { wishesOf } from '../../scripts/lib/vm/plan/wishes.mts'

const repository = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

interface DescribedForm {
  usage: string[]
  arguments: { max: number | null }
  options: Record<string, { type: 'string' | 'integer' | 'boolean'; multiple?: boolean }>
}

type Described = { name: string; environment: string[]; example: string } & (
  | (DescribedForm & { verbs?: undefined })
  | { verbs: Record<string, DescribedForm & { summary: string }> }
)

/** The ways to call commands: the words before the options, and what PROJECT.yaml says of them. */
function formsOf(described: Described): { words: string[]; form: DescribedForm; others: DescribedForm[] }[] {
  if (described.verbs === undefined) return [{ words: [described.name], form: described, others: [] }]
  const forms = Object.values(described.verbs)
  return Object.entries(described.verbs).map(([verb, form]) => ({
    words: [described.name, verb],
    form,
    others: forms.filter(other => other !== form),
  }))
}

let text: string
let commands: Described[]
/** Specifications in the code, by name of the command. */
let specs: Map<string, CommandSpec>

beforeAll(async () => {
  text = await readFile(join(repository, 'PROJECT.yaml'), 'utf8')
  commands = parse(text).commands
  const entries = commands.map(({ name }) => new URL(`../../scripts/${name}.mts`, import.meta.url))
  specs = new Map((await commandsOf(entries)).map(command => [command.name, command]))
})

/** The sources of the commands and all they are made of, joined. */
async function sources(): Promise<string> {
  const names = await readdir(join(repository, 'scripts'), { recursive: true })
  const files = names.filter(name => name.endsWith('.mts'))
  return (await Promise.all(files.map(name => readFile(join(repository, 'scripts', name), 'utf8')))).join(
    '\n',
  )
}

test('PROJECT.yaml is up to date: otherwise `npm run project`', { timeout: 60_000 }, async () => {
  const { stdout } = await run(process.execPath, ['tools/project.mts', '--print'], { cwd: repository })
  expect(text).toBe(stdout)
})

test('every script is in it', async () => {
  const scripts = (await readdir(join(repository, 'scripts'))).filter(name => name.endsWith('.mts'))
  expect(commands.map(({ name }) => `${name}.mts`)).toEqual(scripts.sort())
})

test('every variable that is read is in it', async () => {
  const code = await sources()
  const read = [...code.matchAll(/env\['([A-Z]\w+)'\]|variable: '([A-Z]\w+)'/g)].map(([, a, b]) => a ?? b!)
  const ours = /^(HOME|PATH|SUDO_USER|PROXMINT_TEST_\w+)$/
  const told = Object.values<object>(parse(text).environment).flatMap(group => Object.keys(group))
  expect([...new Set(read)].filter(name => !ours.test(name) && !told.includes(name))).toEqual([])
  expect(read).toContain('PROXMINT_POOLS')
})

test('who reads credentials uses tools: SOPS decrypts them', () => {
  const without = commands.filter(
    ({ environment }) => environment.includes('credentials') && !environment.includes('tools'),
  )
  expect(without.map(({ name }) => name)).toEqual([])
})

test('what is read as a whole number is declared as one', async () => {
  const literal = [...(await sources()).matchAll(/\.integer\('([a-z-]+)'/g)].map(([, name]) => name!)
  const read = [...literal, ...integersOfVmOptions()].map(name => `--${name}`)
  const forms = commands.flatMap(formsOf).map(({ form }) => form)
  const declared = forms.flatMap(({ options }) =>
    Object.entries(options)
      .filter(([, { type }]) => type === 'integer')
      .map(([name]) => name),
  )
  expect(new Set(read)).toEqual(new Set(declared))
})

/** Flags that `vm create` reads as whole numbers by the table of VM options. */
function integersOfVmOptions(): string[] {
  const read: string[] = []
  const integer = (name: string): undefined => void read.push(name)
  wishesOf({
    verb: '',
    positionals: [],
    string: () => undefined,
    strings: () => [],
    flag: () => false,
    integer,
  })
  return read
}

describe('--help', () => {
  const help = async (name: string, ...words: string[]) => {
    const zx = join(repository, 'node_modules/zx/build/cli.js')
    const { stdout } = await run(process.execPath, [zx, `scripts/${name}.mts`, ...words, '--help'], {
      cwd: repository,
    })
    return stdout
  }

  test('of every command shows its usage or its verbs, and the example', { timeout: 120_000 }, async () => {
    const told = await Promise.all(commands.map(({ name }) => help(name)))
    for (const [index, { name, example, ...described }] of commands.entries()) {
      const text = told[index]!
      expect(text).toContain(`\nExample: ${example}\n`)
      if (described.verbs === undefined) {
        expect(text.split('\n')[0]).toBe(`zx scripts/${name}.mts ${described.usage.join(' | ')}`.trim())
      }
      for (const [verb, { usage, summary }] of Object.entries(described.verbs ?? {})) {
        expect(text).toContain(`\n  ${`${verb} ${usage.join(' | ')}`.trim()}\n      ${summary}\n`)
      }
    }
  })

  test('of every verb shows its own options, and none of another verb', () => {
    for (const { words, form, others } of commands.flatMap(formsOf)) {
      const text = helpText(specs.get(words[0]!)!, words.slice(1))
      const shown = [...text.matchAll(/\n {2}(--[a-z0-9-]+)/g)].map(([, option]) => option)
      expect(shown, words.join(' ')).toEqual([...Object.keys(form.options), '--json', '--help'])
      const foreign = others.flatMap(({ options }) => Object.keys(options))
      for (const option of foreign.filter(one => !(one in form.options))) {
        expect(() => parseArguments(specs.get(words[0]!)!, [...words.slice(1), `${option}=1`])).toThrow(
          `${words[1]} has no ${option}, which is an option of `,
        )
      }
    }
  })

  test('every example is understood by the command itself', () => {
    for (const described of commands) {
      const [, name, rest = ''] = /zx scripts\/([\w-]+)\.mts ?([^")]*)/.exec(described.example) ?? []
      expect(name).toBe(described.name)
      const words = rest.trim() === '' ? [] : rest.trim().split(/\s+/)
      const { verb } = parseArguments(specs.get(described.name)!, words)
      if (described.verbs !== undefined) expect(Object.keys(described.verbs)).toContain(verb)
    }
  })
})

test('two verbs with an option of one name take the same type', () => {
  for (const spec of specs.values()) {
    const types = new Map<string, string>()
    const forms: CommandForm[] = spec.verbs === undefined ? [spec] : Object.values(spec.verbs)
    for (const [name, { type, words }] of forms.flatMap(({ options }) => Object.entries(options))) {
      const own = `${type} ${words}`
      expect(types.get(name) ?? own, `${spec.name} --${name}`).toBe(own)
      types.set(name, own)
    }
  }
})
