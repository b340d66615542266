/** PROJECT.yaml and `--help` are what the code says, and every example works. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type CommandSpec, parseArguments } from '../../scripts/lib/run/command-line.mts'
import { wishesOf } from '../../scripts/lib/vm/plan/wishes.mts'

const repository = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

interface Described {
  name: string
  usage: string[]
  arguments: { max: number | null }
  options: Record<string, { type: 'string' | 'integer' | 'boolean'; multiple?: boolean }>
  environment: string[]
  example: string
}

let text: string
let commands: Described[]

beforeAll(async () => {
  text = await readFile(join(repository, 'PROJECT.yaml'), 'utf8')
  commands = parse(text).commands
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
  const declared = commands.flatMap(({ options }) =>
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
  wishesOf({ positionals: [], string: () => undefined, strings: () => [], flag: () => false, integer })
  return read
}

describe('--help', () => {
  test('of every command shows its usage, each option and the example', { timeout: 120_000 }, async () => {
    const zx = join(repository, 'node_modules/zx/build/cli.js')
    const told = await Promise.all(
      commands.map(({ name }) =>
        run(process.execPath, [zx, `scripts/${name}.mts`, '--help'], { cwd: repository }),
      ),
    )
    for (const [index, { name, usage, options, example }] of commands.entries()) {
      const { stdout } = told[index]!
      expect(stdout.split('\n')[0]).toBe(`zx scripts/${name}.mts ${usage.join(' | ')}`)
      for (const option of Object.keys(options)) expect(stdout).toContain(`\n  ${option} `)
      expect(stdout).toContain(`\nExample: ${example}\n`)
    }
  })

  test('every example is understood by the command itself', () => {
    for (const described of commands) {
      const [, name, rest = ''] = /zx scripts\/([\w-]+)\.mts ?([^")]*)/.exec(described.example) ?? []
      expect(name).toBe(described.name)
      const words = rest.trim() === '' ? [] : rest.trim().split(/\s+/)
      const { positionals } = parseArguments(specOf(described), words)
      const verbs = verbsOf(described)
      if (verbs.length > 0) expect(verbs, described.example).toContain(positionals[0])
    }
  })
})

function specOf({ name, arguments: { max }, options }: Described): CommandSpec {
  const named = Object.entries(options).map(([option, spec]) => [option.slice(2), { ...spec, help: '' }])
  const rest = { summary: '', usage: '', uses: [], writes: [], example: '' }
  return { name, positionals: max ?? 1000, options: Object.fromEntries(named), ...rest }
}

/** The words it may begin with; none where it begins with whatever the caller names. */
function verbsOf({ usage }: Described): string[] {
  const verbs = usage.map(form => /^[a-z]+/.exec(form)?.[0])
  return verbs.filter(verb => verb !== undefined)
}
