import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { diffVersions, formatDiff } from '../../../scripts/lib/channels/diff.mts'
import { formatLockfile } from '../../../scripts/lib/templates/lockfile-format.mts'
import { writePackages } from '../../../scripts/lib/templates/packages.mts'
import { noVersions } from '../../../scripts/lib/templates/version.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'

afterEach(() => vi.unstubAllEnvs())

/** A project whose lockfile has two versions, with the packages of each; undefined: no list was kept. */
async function project(previous: string[] | undefined, current: string[]): Promise<void> {
  const config = join(await temporaryFolder(), 'config')
  const lockfile = join(config, 'templates.lock.json')
  await mkdir(config)
  vi.stubEnv('PROXMINT_CONFIG', join(config, 'proxmint.yaml'))
  const [old, now] = [version(1), version(2)]
  await writeFile(lockfile, formatLockfile({ debian: { ...noVersions, current: now, previous: old } }))
  if (previous !== undefined) await writePackages(lockfile, old.name, previous)
  await writePackages(lockfile, now.name, current)
}

test('what was added, removed and changed between the previous version and the current one', async () => {
  await project(['bash 5.2', 'openssl 3.0.15', 'telnet 0.17'], ['bash 5.2', 'openssl 3.0.17', 'curl 7.88'])
  const lines = formatDiff(await diffVersions('debian', 'previous', 'current')).split('\n')
  expect(lines.slice(-3)).toEqual(['+ curl 7.88', '- telnet 0.17', '~ openssl 3.0.15 -> 3.0.17'])
})

test('the same packages are told as such', async () => {
  await project(['bash 5.2'], ['bash 5.2'])
  expect(formatDiff(await diffVersions('debian', 'previous', 'current'))).toContain('the same packages')
})

test('where no list was kept nothing is made up', async () => {
  await project(undefined, ['bash 5.2'])
  const diff = await diffVersions('debian', 'previous', 'current')
  expect(diff.packages).toBeNull()
  expect(formatDiff(diff)).toContain('packages: the list of one version is missing')
})
