import { describe, expect, test } from 'vitest'
import { assignments, parseArguments } from '../../../scripts/lib/run/command-line.mts'
import type { CommandSpec } from '../../../scripts/lib/run/command-spec.mts'
import { helpText } from '../../../scripts/lib/run/help.mts'
import { failureOf } from '../failure.mts'

const spec: CommandSpec = {
  name: 'build',
  summary: 'Builds a VM template.',
  usage: 'OS [--var NAME=VALUE]...',
  options: {
    var: { type: 'string', multiple: true, value: 'NAME=VALUE', help: 'sets a variable' },
    keep: { type: 'string', value: 'N', help: 'how many versions to keep' },
    save: { type: 'string', value: 'FILE', help: 'writes it there' },
    color: { type: 'string', value: 'WHEN', choices: ['always', 'never'], help: 'in colour' },
    'dry-run': { type: 'boolean', help: 'prints what would be run' },
  },
  positionals: 1,
  uses: [],
  writes: [],
  example: 'zx scripts/build.mts debian',
}

describe('what is understood', () => {
  test.each<[string, string[], Record<string, unknown>]>([
    ['nothing', [], { positionals: [], keep: undefined, vars: [], dryRun: false, json: false }],
    ['a positional', ['debian'], { positionals: ['debian'] }],
    [
      'flags around it',
      ['--dry-run', 'debian', '--json'],
      { positionals: ['debian'], dryRun: true, json: true },
    ],
    ['a value behind a space', ['--keep', '3'], { keep: '3' }],
    ['a value behind an equals sign', ['--keep=3'], { keep: '3' }],
    ['an empty value', ['--keep='], { keep: '' }],
    ['a value that begins with hyphens', ['--keep=--x'], { keep: '--x' }],
    ['a negative number as a value', ['--keep', '-3'], { keep: '-3' }],
    ['the last of two values', ['--keep', '3', '--keep', '4'], { keep: '4' }],
    ['a value of those that it takes', ['--color', 'never'], {}],
    ['all of several values', ['--var', 'a=1', '--var=b=2=3'], { vars: ['a=1', 'b=2=3'] }],
    ['everything behind -- as it is', ['--', '--json'], { positionals: ['--json'], json: false }],
  ])('%s', (_, argv, expected) => {
    const args = parseArguments(spec, argv)
    expect({
      positionals: args.positionals,
      keep: args.string('keep'),
      vars: args.strings('var'),
      dryRun: args.flag('dry-run'),
      json: args.flag('json'),
    }).toMatchObject(expected)
  })
})

describe('what is refused', () => {
  test.each<[string, string[], string]>([
    ['an option close to a known one', ['--dryrun'], 'unknown option `--dryrun`; did you mean `--dry-run`?'],
    ['one of its letters wrong', ['--kepe', '3'], 'unknown option `--kepe`; did you mean `--keep`?'],
    ['one close to a common option', ['--jsno'], 'unknown option `--jsno`; did you mean `--json`?'],
    ['an option close to none', ['--parallelism'], 'unknown option `--parallelism`'],
    ['a short option', ['-n'], 'unknown option `-n`'],
    ['a missing value at the end', ['--keep'], 'option `--keep` needs a value'],
    ['a missing value before an option', ['--save', '--json'], 'option `--save` needs a value'],
    ['a flag with a value', ['--dry-run=yes'], 'option `--dry-run` takes no value'],
    [
      'a value close to one that it takes',
      ['--color', 'neevr'],
      'option `--color` takes always, never, not `neevr`; did you mean never?',
    ],
    ['a value that it does not take', ['--color='], 'option `--color` takes always, never, not ``'],
    ['one positional too many', ['debian', 'arch'], 'unexpected argument `arch`'],
  ])('%s', async (_, argv, message) => {
    expect(await failureOf(() => parseArguments(spec, argv))).toEqual({
      message,
      hint: 'zx scripts/build.mts --help',
      exitCode: 2,
      facts: {},
    })
  })
})

describe('whole numbers', () => {
  const keep = (text: string) => parseArguments(spec, [`--keep=${text}`]).integer('keep', { min: 1, max: 20 })

  test.each([
    ['1', 1],
    ['20', 20],
    ['007', 7],
  ])('%s', (text, number) => {
    expect(keep(text)).toBe(number)
  })

  test.each(['0', '21', '-1', '1.5', '1e1', '0x10', 'many', '', ' 3'])('not `%s`', async text => {
    const { message, exitCode } = await failureOf(() => keep(text))
    expect(message).toBe(`option \`--keep\` takes a whole number from 1 to 20, not \`${text}\``)
    expect(exitCode).toBe(2)
  })

  test('none given', () => {
    expect(parseArguments(spec, []).integer('keep', { min: 1, max: 20 })).toBeUndefined()
  })
})

test('--help', () => {
  expect(helpText(spec)).toBe(`zx scripts/build.mts OS [--var NAME=VALUE]...

Builds a VM template.

  --var NAME=VALUE  sets a variable
  --keep N          how many versions to keep
  --save FILE       writes it there
  --color WHEN      in colour
  --dry-run         prints what would be run
  --json            print one JSON document on standard output, and nothing else there
  --help            print this text

Example: zx scripts/build.mts debian
Exit codes: docs/exit-codes.md`)
})

const withVerbs: CommandSpec = {
  name: 'vm',
  summary: 'Virtual machines.',
  verbs: {
    create: {
      usage: 'NAME...',
      summary: 'Makes VMs.',
      options: {
        'expiry-days': { type: 'integer', value: 'N', help: 'how long it stays' },
        tags: { type: 'string', multiple: true, words: true, value: 'TAG', help: 'tags' },
        purpose: { type: 'string', value: 'TEXT', help: 'what it is for' },
        memory: { type: 'integer', value: 'MIB', help: 'memory' },
        from: { type: 'string', value: 'FILE', help: 'a fleet file' },
        apply: { type: 'boolean', help: 'make it' },
      },
      positionals: 10,
    },
    extend: {
      usage: 'NAME --days N',
      summary: 'Moves the expiry.',
      options: { days: { type: 'integer', value: 'N', help: 'by how many days' } },
      positionals: 1,
    },
    show: { usage: 'NAME', summary: 'Prints it.', options: {}, positionals: 1 },
    revoke: { usage: 'NAME', summary: 'Revokes it.', options: {}, positionals: 1 },
  },
  uses: [],
  writes: [],
  example: 'zx scripts/vm.mts create web-1',
}

describe('verbs', () => {
  test.each<[string[], string, string]>([
    [
      ['create', 't1', '--days', '1'],
      'create has no --days, which is an option of extend; its option is --expiry-days',
      'create',
    ],
    [['show', 'a', '--expiry-days=3'], 'show has no --expiry-days, which is an option of create', 'show'],
    [['--memory', '7', 'show', 'a'], 'show has no --memory, which is an option of create', 'show'],
    [['create', 'a', '--mem', '7'], 'unknown option `--mem`; did you mean `--memory`?', 'create'],
    [['create', 'a', '--ram', '7'], 'unknown option `--ram`', 'create'],
    [['show', 'a', 'b'], 'unexpected argument `b`: `show` takes one at a time', 'show'],
  ])('%j', async (argv, message, verb) => {
    expect(await failureOf(() => parseArguments(withVerbs, argv))).toMatchObject({
      message,
      hint: `zx scripts/vm.mts ${verb} --help`,
      exitCode: 2,
    })
  })

  test.each<[string[], string]>([
    [[], 'say one of create, extend, show, revoke'],
    [['shwo'], 'say one of create, extend, show, revoke, not `shwo`; did you mean show?'],
    [['stop', 'a'], 'say one of create, extend, show, revoke, not `stop`'],
    [['remove', 'a'], 'say one of create, extend, show, revoke, not `remove`'],
    [['constructor'], 'say one of create, extend, show, revoke, not `constructor`'],
  ])('%j is not one', async (argv, message) => {
    const failure = await failureOf(() => parseArguments(withVerbs, argv))
    expect(failure).toMatchObject({ message, hint: 'zx scripts/vm.mts --help', exitCode: 2 })
  })

  test('the verb is the first word, also behind an option', () => {
    const { verb, positionals } = parseArguments(withVerbs, ['--apply', 'create', 'a', '--json', 'b'])
    expect({ verb, positionals }).toEqual({ verb: 'create', positionals: ['create', 'a', 'b'] })
  })

  test('--help of the command lists them, and of a verb its own options', () => {
    expect(helpText(withVerbs, ['--help'])).toBe(`zx scripts/vm.mts VERB ...

Virtual machines.

  create NAME...
      Makes VMs.
  extend NAME --days N
      Moves the expiry.
  show NAME
      Prints it.
  revoke NAME
      Revokes it.

Options of a verb: zx scripts/vm.mts VERB --help

Example: zx scripts/vm.mts create web-1
Exit codes: docs/exit-codes.md`)
    expect(helpText(withVerbs, ['extend', '--help'])).toBe(`zx scripts/vm.mts extend NAME --days N

Moves the expiry.

  --days N  by how many days
  --json    print one JSON document on standard output, and nothing else there
  --help    print this text

Example: zx scripts/vm.mts create web-1
Exit codes: docs/exit-codes.md`)
    expect(helpText(withVerbs, ['create'])).toContain('  --tags TAG...  ')
  })
})

describe('values of several words', () => {
  const parse = (line: string) => {
    const args = parseArguments(withVerbs, line.split(' '))
    return { names: args.positionals.slice(1), tags: args.strings('tags'), apply: args.flag('apply') }
  }

  test.each<[string, string[], string[]]>([
    ['create web-001 --tags web production --apply', ['web-001'], ['web', 'production']],
    ['create web-001 --apply --tags web production', ['web-001'], ['web', 'production']],
    ['create web-001 --tags web --apply --tags production', ['web-001'], ['web', 'production']],
    ['create --tags web production --apply web-001', ['web-001'], ['web', 'production']],
    ['create --apply --tags web production -- web-001', ['web-001'], ['web', 'production']],
    ['create --tags=web --apply web-001', ['web-001'], ['web']],
  ])('%s', (line, names, tags) => {
    expect(parse(line)).toEqual({ names, tags, apply: true })
  })

  test.each<[string, string]>([
    [
      'create web-001 --purpose production web server',
      '`web` stands behind `--purpose`, apart from `web-001`',
    ],
    ['create web-001 --tags=web production', '`production` stands behind `--tags`, apart from `web-001`'],
    ['create --memory 512 a --purpose x b', '`b` stands behind `--purpose`, apart from `a`'],
  ])('%s makes no second VM', async (line, message) => {
    const failure = await failureOf(() => parse(line))
    expect(failure).toMatchObject({ message, exitCode: 2 })
    expect(failure.hint).toContain('put quotes around a value of several words')
  })
})

describe('NAME=VALUE', () => {
  test.each<[string[], Record<string, string>]>([
    [[], {}],
    [['a=1', 'b_2='], { a: '1', b_2: '' }],
    [['a=x=y\nz'], { a: 'x=y\nz' }],
    [['a=1', 'a=2'], { a: '2' }],
  ])('%j', (texts, expected) => {
    expect(assignments(spec, 'var', texts)).toEqual(expected)
  })

  test.each(['a', '=1', 'a b=1', ''])('not `%s`', async text => {
    expect(await failureOf(() => assignments(spec, 'var', [text]))).toEqual({
      message: `option \`--var\` takes NAME=VALUE, not \`${text}\``,
      hint: 'zx scripts/build.mts --help',
      exitCode: 2,
      facts: {},
    })
  })
})
