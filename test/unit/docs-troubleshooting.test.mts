/** What `docs/troubleshooting.md` quotes is what people see: the texts are still in the code that prints them. */
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { checks } from '../../scripts/lib/acceptance/checks.mts'
import { knownFailures } from '../../scripts/lib/packer/failures.mts'

const repository = resolve(import.meta.dirname, '../..')

/** Words of other programs that no code of ours names. */
const foreign = [
  /^PARTUUID=/,
  /^REMOTE HOST IDENTIFICATION HAS CHANGED$/,
  /^login: \.\.\. (Connection timed out|Permission denied \(publickey\)|sudo: a password is required)$/,
  /^No route to host$/,
  /^sudo: not found$/,
  // Of a shell, and of a Node.js that runs no TypeScript.
  /^zx: command not found$/,
  /^ERR_UNKNOWN_FILE_EXTENSION$/,
  /^Unknown file extension "\.mts"$/,
  // Of Proxmox: reason phrases and status codes.
  /^401 Authentication failed!$/,
  /^\d{3}$/,
]

let page: string
/** The parts of every text in the code that stay as they are. */
let texts: string[][]

beforeAll(async () => {
  page = await readFile(join(repository, 'docs/troubleshooting.md'), 'utf8')
  const folders = ['scripts', 'lab/network', 'packer/common', 'tools']
  const files = (await Promise.all(folders.map(filesBelow))).flat()
  texts = (await Promise.all(files.map(file => readFile(file, 'utf8')))).flatMap(partsOf)
})

async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(join(repository, folder), { recursive: true })
  return names.filter(name => /\.(mts|sh)$/.test(name)).map(name => join(repository, folder, name))
}

/** Line by line, what stands between quotes and values: `VM ${vmid} is named ${name} but` -> `is named`, `but`. */
function partsOf(source: string): string[][] {
  return source
    .split('\n')
    .filter(line => !/^\s*(\/?\*|\/\/)/.test(line))
    .map(line => line.split(/\$\{|\}|\$\w+|\\n|\\?[`'"]/).map(words))
}

/** Without what stands at its ends when a sentence is cut there. */
const words = (text: string): string => text.replace(/^[^\w]+|[^\w]+$/g, '')

/** Everything quoted in a heading or in the first column of a table. */
function quotes(): string[] {
  const cells = [...page.matchAll(/^(?:### (.+)|\| (`.+?) \| .*)$/gm)].map(
    ([, heading, cell]) => heading ?? cell!,
  )
  return cells.flatMap(cell =>
    [...cell.matchAll(/``\s?(.+?)\s?``|`([^`]+)`/g)].map(([, long, short]) => long ?? short!),
  )
}

/** Without the name of the check in front of what the acceptance test found. */
function withoutCheck(quote: string): string {
  const check = checks.find(({ name }) => quote.startsWith(`${name}: `))
  return check === undefined ? quote : quote.slice(check.name.length + 2)
}

/** Names, numbers and files that stand for others. */
const placeholders = /\.\.\.|\b(?:N|NAME|\d+|web-1|debian|[\w./-]+\.(?:json|yaml)[\w.]*)\b/g

/** Whether a line of the code makes up most of the quote, in its order, or holds all of it. */
function isInCode(quote: string): boolean {
  const spoken = quote.replace(placeholders, '').replace(/\W+/g, ' ').trim().length
  return texts.some(parts => {
    let at = 0
    let found = 0
    for (const part of parts) {
      if (part.includes(quote)) return true
      const index = part.length < 4 ? -1 : quote.indexOf(part, at)
      if (index < 0) continue
      at = index + part.length
      found += part.length
    }
    return found >= spoken * 0.55
  })
}

const isExplained = (quote: string): boolean =>
  knownFailures.some(({ pattern }) => pattern.test(quote.replace(/\bN\b/g, '100').replaceAll('...', 'x')))

test('every text that is quoted is one of the code, or known as another program’s', () => {
  const unknown = quotes().filter(
    quote =>
      !isInCode(withoutCheck(quote)) && !isExplained(quote) && !foreign.some(pattern => pattern.test(quote)),
  )
  expect(quotes().length).toBeGreaterThan(100)
  expect(unknown).toEqual([])
})

test('a text that nothing prints is found out', () => {
  expect(isInCode('the flux capacitor of NAME is not installed any more')).toBe(false)
  expect(isInCode('every VMID from 9000 to 9899 is taken')).toBe(true)
})

test('every cause that a failed build is explained with has its row', () => {
  const missing = knownFailures.filter(
    ({ pattern }) =>
      !quotes().some(quote => pattern.test(quote.replace(/\bN\b/g, '100').replaceAll('...', 'x'))),
  )
  expect(missing.map(({ pattern }) => pattern.source)).toEqual([])
})
