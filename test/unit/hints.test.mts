// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it holds the beginnings of templates.
/** Every failure says what to do: each `new ProxmintError(...)` in the sources has a hint, or is listed with the reason. */
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const scripts = resolve(import.meta.dirname, '../../scripts')

/** Beginning of the message -> why it needs no hint of its own. */
const WITHOUT = new Map([
  ['finding.fault', 'the fault ends with what to do'],
  ['look.lacks', 'the doctor prints it beside the check that failed, with its fix'],
  ['`interrupted: ', 'the person who interrupted it knows; callers say how to go on'],
  // A method to install a tool that failed: the next one is tried, and `setUp` prints all with one hint.
  ['`building ${name} with Go failed', 'the next method is tried'],
  ['`Go is not installed; with Go', 'the next method is tried; it says what to install'],
  ['`Go ${found} (${go}) is too old; install Go', 'the next method is tried; it says what to install'],
  ['`${tofu.file} cannot download it', 'the next method is tried'],
  ['its release was not tried', 'the next method is tried'],
  ['its release is downloaded by OpenTofu', 'the next method is tried'],
  ['`the release of ${installed} has no program', 'the next method is tried'],
  ['its release cannot be downloaded: npm', 'the next method is tried'],
  ['`its release cannot be downloaded (', 'the next method is tried'],
  ['`its plugin ${source} cannot be downloaded', 'the next method is tried'],
  ["`the distribution's package is not installed", 'it holds the command'],
])

/** Arguments of each construction in a text. */
function constructions(text: string): string[] {
  return [...text.matchAll(/new (?:ProxmintError|PackerError)\(/g)].map(match => {
    const start = match.index + match[0].length
    let end = start
    for (let depth = 1; depth > 0 && end < text.length; end++) {
      if (text[end] === '(') depth += 1
      if (text[end] === ')') depth -= 1
    }
    return text.slice(start, end - 1).trim()
  })
}

/** Checks for a hint, or for details that another function makes. */
const hasHint = (args: string): boolean => /\bhint\b|\.\.\.|, (details|known)\b/.test(args)

async function sources(): Promise<string[]> {
  const files = (await readdir(scripts, { recursive: true })).filter(name => name.endsWith('.mts'))
  return Promise.all(files.map(file => readFile(join(scripts, file), 'utf8')))
}

const isListed = (args: string): boolean =>
  [...WITHOUT.keys()].some(beginning => args.replace(/^'/, '').startsWith(beginning))

test('each failure has a hint or is listed', async () => {
  const all = (await sources()).flatMap(constructions)
  expect(all.length).toBeGreaterThan(150)
  const without = all.filter(args => !hasHint(args))
  expect(without.filter(args => !isListed(args))).toEqual([])
  const beginnings = without.map(args => args.replace(/^'/, ''))
  const idle = [...WITHOUT.keys()].filter(beginning => !beginnings.some(args => args.startsWith(beginning)))
  expect(idle).toEqual([])
})

test('one without is found', () => {
  const text =
    "throw new ProxmintError(`a (b)`, { exitCode: 1 })\nthrow new ProxmintError('c', { hint: 'd' })"
  expect(constructions(text).map(hasHint)).toEqual([false, true])
})
