/** `npm ci --omit=dev` is enough for every command, the demo too: no file that they load imports a package for tests. */
import { readdir, readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const repository = resolve(import.meta.dirname, '../..')
/** The demo runs it, though it is a test's. */
const VERIFIER = 'test/e2e/chain/demo-logins.mts'

interface Lock {
  packages: Record<string, { dev?: boolean; devOptional?: boolean }>
}

/** What a file imports as values, at once or later. */
async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8')
  const at = [
    ...text.matchAll(/^(?:import|export)\s+(?!type\b)[^'";]*?from\s+'([^']+)'/gm),
    ...text.matchAll(/^import\s+'([^']+)'/gm),
    ...text.matchAll(/\bimport\(\s*'([^']+)'/g),
  ]
  return at.map(([, name]) => name!)
}

/** Names of the packages that these files load, with one file that imports each. */
async function packagesOf(entries: string[]): Promise<Map<string, string>> {
  const packages = new Map<string, string>()
  const seen = new Set<string>()
  const queue = [...entries]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    for (const name of await importsOf(file)) {
      if (name.startsWith('.')) queue.push(resolve(dirname(file), name))
      else if (!name.startsWith('node:') && !builtinModules.includes(name))
        packages.set(/^(@[^/]+\/)?[^/]+/.exec(name)![0], relative(repository, file))
    }
  }
  return packages
}

const entries = (await readdir(join(repository, 'scripts')))
  .filter(name => name.endsWith('.mts'))
  .map(name => join(repository, 'scripts', name))
/** The lab starts some of its files as processes of their own. */
const lab = (await readdir(join(repository, 'lab'), { recursive: true }))
  .filter(
    name => name.endsWith('.mts') && !/^(test|dist|node_modules)\/|^build\.mts$|api-coverage/.test(name),
  )
  .map(name => join(repository, 'lab', name))
const { packages: locked } = JSON.parse(await readFile(join(repository, 'package-lock.json'), 'utf8')) as Lock

/** Packages that `npm ci --omit=dev` leaves out or does not know. */
const missing = (names: Iterable<string>): string[] =>
  [...names].filter(name => {
    const entry = locked[`node_modules/${name}`]
    return entry === undefined || entry.dev === true || entry.devOptional === true
  })

test('every command and the demo', async () => {
  const packages = await packagesOf([...entries, ...lab, join(repository, VERIFIER)])
  expect([...packages.keys()]).toEqual(expect.arrayContaining(['zx', 'yaml', 'ethers', 'ssh2', 'unixcrypt']))
  expect(missing(packages.keys()).map(name => `${name} of ${packages.get(name)}`)).toEqual([])
})

test('a package for tests is found', () => {
  expect(missing(['vitest', 'zx', 'no-such-package'])).toEqual(['vitest', 'no-such-package'])
})
