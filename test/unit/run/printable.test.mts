import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatError, ProxmintError } from '../../../scripts/lib/run/errors.mts'
import { printable, printableLine } from '../../../scripts/lib/run/printable.mts'
import { formatTable } from '../../../scripts/lib/run/table.mts'

describe('text of several lines', () => {
  test.each([
    ['other languages stay', 'Grüße 漢字 עברית हिन्दी 👩‍💻\tx\n2', 'Grüße 漢字 עברית हिन्दी 👩‍💻\tx\n2'],
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['the clipboard', 'a\u001b]52;c;ZXZpbA==\u0007b', 'ab'],
    ['the title', 'a\u001b]0;title\u001b\\b', 'ab'],
    ['a sequence without an end', 'a\u001b[999999999', 'a9999'],
    ['one byte for two', 'a\u009b31mb', 'ab'],
    ['bells, backspaces, lines written over', 'a\u0007b\u0008\u0008c\rd', 'abc d'],
    ['a line of Windows', 'a\r\nb', 'a\nb'],
    ['text that turns around', 'exe\u202egnp.\u2066x\u2069', 'exegnp.x'],
    ['line separators of Unicode', 'a\u2028b\u2029c\u0085d', 'a b c d'],
    ['DEL and NUL', 'a\u007fb\u0000c', 'abc'],
    ['half of a letter', 'a\ud800b', 'a\ufffdb'],
  ])('%s', (_, text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  test('a long line and many lines are cut, with what is missing', () => {
    expect(printable('x'.repeat(10_000_000))).toBe(`${'x'.repeat(4000)}... (9996000 more characters)`)
    expect(printable('x\n'.repeat(100_000)).split('\n')).toHaveLength(5001)
  })
})

test('a value is one line', () => {
  expect(printableLine('a\nerror: forged\r\n\tb\u2028c')).toBe('a error: forged b c')
  expect(printableLine('x'.repeat(5000))).toBe(`${'x'.repeat(1000)}... (4000 more characters)`)
})

test('cells of a table and facts of an error are lines, whatever is in them', () => {
  const evil = 'a\u001b[2Jb\nc'
  expect(formatTable(['name', 'purpose'], [[evil, 'x']])).toBe('name  purpose\nab c  x')
  expect(formatError(new ProxmintError(`it broke: ${evil}`, { facts: { [evil]: evil }, hint: evil }))).toBe(
    'error: it broke: ab\n  c\n  ab c: ab c\nhint: ab\n  c',
  )
})

test('only run/ writes to standard output and standard error', async () => {
  const scripts = resolve(import.meta.dirname, '../../../scripts')
  const files = (await readdir(scripts, { recursive: true })).filter(
    file => file.endsWith('.mts') && !file.startsWith('lib/run/'),
  )
  const writers: string[] = []
  for (const file of files) {
    const text = await readFile(join(scripts, file), 'utf8')
    if (/process\.std(out|err)\b|\bconsole\./.test(text)) writers.push(file)
  }
  // The demo hands its own output to the commands that it runs, each of which cleans what it prints.
  expect(writers).toEqual(['demo.mts'])
})
