import { describe, expect, test } from 'vitest'
import {
  assignments,
  type CommandSpec,
  helpText,
  parseArguments,
} from '../../../scripts/lib/run/command-line.mts'
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
